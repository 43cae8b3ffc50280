// kube is a Kubernetes node and its control plane as one program, so that what they share is built and
// linked once. The first argument says which part runs; the rest is that part's own.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var parts = map[string]func() *cobra.Command{
	"etcd":                    etcd,
	"gpus":                    gpuPlugin,
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllers.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

// etcd keeps its data in a folder, without waiting for the disk: a lab's cluster is thrown away.
func etcd() *cobra.Command {
	var folder string
	command := &cobra.Command{Use: "etcd", RunE: func(_ *cobra.Command, _ []string) error {
		config := embed.NewConfig()
		config.Dir, config.LogLevel, config.UnsafeNoFsync = folder, "warn", true
		clients, peers := url.URL{Scheme: "http", Host: "127.0.0.1:2379"}, url.URL{Scheme: "http", Host: "127.0.0.1:2380"}
		config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
		config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
		config.InitialCluster = config.InitialClusterFromName(config.Name)
		started, err := embed.StartEtcd(config)
		if err != nil {
			return err
		}
		return <-started.Err()
	}}
	command.Flags().StringVar(&folder, "data-dir", "etcd", "")
	return command
}

func main() {
	if len(os.Args) > 1 {
		if part, ok := parts[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			os.Exit(cli.Run(part()))
		}
	}
	fmt.Fprintln(os.Stderr, "which part: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy, kubelet, gpus?")
	os.Exit(2)
}
