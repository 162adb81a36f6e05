// Package kubernetes holds deploy/kubernetes against a real API server: etcd, kube-apiserver and
// kubectl are built from their Go modules (servers/go.mod), once, into a cache outside of the
// repository. Each overlay is applied as its page says, twice, then upgraded as OPERATIONS.md says.
// Admission is on, with the profile "restricted" of Pod Security. What must be refused is tried,
// too.
//
// No controller and no kubelet run, so no pod is started: that a pod is admitted is asked by a dry
// run with its template. Nor does anybody enforce the network policies.
//
// `make test-kubernetes` runs the tests, which have the build tag kubernetes.
package kubernetes
