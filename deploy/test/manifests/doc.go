// Package manifests holds deploy/compose.yaml and deploy/kubernetes against what Docker Compose and
// Kubernetes themselves would read, where neither runs: the Compose file is loaded by Compose's own
// loader and schema, the kustomization is built by kustomize, and every object is decoded strictly
// into Kubernetes' types. Beyond that it holds what the files promise: probes, limits, budgets, no
// root, no secret but by reference, no setting that the binary does not know.
//
// It is a module of its own: the product's go.mod stays free of Kubernetes. `make check` runs it.
package manifests
