#!/bin/sh
# Writes go.mod and go.sum for a Kubernetes and an etcd version: update.sh v1.36.3 v3.6.13
#
# k8s.io/kubernetes names its staging modules as v0.0.0 and points them into its own tree, which a module elsewhere
# cannot do: each of them is replaced by its published version, v0.<minor>.<patch>.
set -eu
kubernetes=$1 etcd=$2
cd "$(dirname "$0")"
rm -f go.mod go.sum
go mod init cluster.test
source=$(go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/.*"GoMod": "\(.*\)",/\1/p')
staging=$(sed -n 's#.*\(k8s.io/[a-z0-9-]*\) => ./staging/.*#\1#p' "$source")
for module in $staging; do
  go mod edit -replace "$module=$module@v0.${kubernetes#v1.}"
done
go get -tool "k8s.io/kubernetes/cmd/kube-apiserver@$kubernetes" "go.etcd.io/etcd/server/v3@$etcd"
go mod edit -go="$(sed -n "s/^go //p" "$source")" # not the one at hand: an older Go may do
go mod tidy
