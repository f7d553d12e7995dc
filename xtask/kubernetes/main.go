// The programs of Kubernetes, and a provisioner of volumes, in one binary. The name that it is
// called by, else its first argument, says which of them it is.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlerrors "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// commandOf returns the program of that name, nil if there is none.
func commandOf(name string) *cobra.Command {
	switch name {
	case "kube-apiserver":
		return apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		return controllermanager.NewControllerManagerCommand()
	case "kube-proxy":
		return proxy.NewProxyCommand()
	case "kube-scheduler":
		return scheduler.NewSchedulerCommand()
	case "kubelet":
		return kubelet.NewKubeletCommand(context.Background())
	case "kubectl":
		return kubectl.NewDefaultKubectlCommand()
	case "volume-provisioner":
		return newVolumeProvisionerCommand()
	}
	return nil
}

func main() {
	name := filepath.Base(os.Args[0])
	command := commandOf(name)
	if command == nil && len(os.Args) > 1 {
		// The commands read os.Args, so the name goes before they are made.
		os.Args = os.Args[1:]
		name = os.Args[0]
		command = commandOf(name)
	}
	if command == nil {
		fmt.Fprintln(os.Stderr, "call it kube-apiserver, kube-controller-manager, kube-proxy,",
			"kube-scheduler, kubelet, kubectl or volume-provisioner")
		os.Exit(64)
	}
	if name == "kubectl" {
		// As kubectl's own main does: its errors have a form and exit codes of their own.
		if err := cli.RunNoErrOutput(command); err != nil {
			kubectlerrors.CheckErr(err)
		}
		return
	}
	os.Exit(cli.Run(command))
}
