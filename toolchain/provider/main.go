// Command pulumi-resource-kubernetes is Pulumi's Kubernetes provider, built from its published module.
//
// Schema and Terraform mapping serve code generation only; the generated files that the official
// build embeds are not part of the module, so minimal documents stand in for them.
package main

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

// version is the release that the pinned module precedes by seven commits; the build sets it.
var version = "0.0.0-dev"

func main() {
	schema := fmt.Sprintf(`{"name":"kubernetes","version":%q}`, version)
	provider.Serve("kubernetes", version, []byte(schema), []byte(`{}`))
}
