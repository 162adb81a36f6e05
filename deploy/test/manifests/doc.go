// Package manifests checks deploy/compose.yaml and deploy/kubernetes on a machine that has neither
// Docker Compose nor Kubernetes, in the way that these would read them. Compose's own loader and
// schema load the Compose file, kustomize builds the kustomization, and every object is decoded
// strictly into Kubernetes' types. It also checks what the files promise: probes, limits, budgets,
// no root, secrets by reference only, no setting that the binary does not know.
//
// It is a module of its own, so that the product's go.mod stays free of Kubernetes. `make check`
// runs it.
package manifests
