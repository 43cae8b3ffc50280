package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	device "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// gpus offers pretended cards to pods, as the device plugin of a vendor offers real ones: a pod that asks
// for some gets the device, and the folder's files that pretend so many. The folder's file "count" says how
// many there are.
type gpus struct {
	device.UnimplementedDevicePluginServer
	folder string
	ended  chan error
}

const gpuSocket = "gpus.sock"

func gpuPlugin() *cobra.Command {
	plugin := &gpus{ended: make(chan error, 2)}
	command := &cobra.Command{Use: "gpus", RunE: func(_ *cobra.Command, _ []string) error { return plugin.run() }}
	command.Flags().StringVar(&plugin.folder, "folder", "", "")
	return command
}

func (plugin *gpus) run() error {
	socket := filepath.Join(device.DevicePluginPath, gpuSocket)
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	device.RegisterDevicePluginServer(server, plugin)
	go func() { plugin.ended <- server.Serve(listener) }()
	kubelet, err := grpc.NewClient("unix://"+device.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer kubelet.Close()
	_, err = device.NewRegistrationClient(kubelet).Register(context.Background(), &device.RegisterRequest{
		Version: device.Version, Endpoint: gpuSocket, ResourceName: "nvidia.com/gpu",
	})
	if err != nil {
		return err
	}
	// Whoever starts it again registers it again, with a kubelet that has been started anew.
	return <-plugin.ended
}

func (plugin *gpus) GetDevicePluginOptions(context.Context, *device.Empty) (*device.DevicePluginOptions, error) {
	return &device.DevicePluginOptions{}, nil
}

func (plugin *gpus) ListAndWatch(_ *device.Empty, stream grpc.ServerStreamingServer[device.ListAndWatchResponse]) error {
	told := -1
	for {
		if count := plugin.count(); count != told {
			answer := &device.ListAndWatchResponse{}
			for number := range count {
				answer.Devices = append(answer.Devices, &device.Device{ID: fmt.Sprint("GPU-", number), Health: device.Healthy})
			}
			if err := stream.Send(answer); err != nil {
				plugin.ended <- err
				return err
			}
			told = count
		}
		select {
		case <-stream.Context().Done():
			plugin.ended <- stream.Context().Err()
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (plugin *gpus) count() int {
	text, _ := os.ReadFile(filepath.Join(plugin.folder, "count"))
	count, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return count
}

func (plugin *gpus) Allocate(_ context.Context, asked *device.AllocateRequest) (*device.AllocateResponse, error) {
	answer := &device.AllocateResponse{}
	for _, container := range asked.ContainerRequests {
		pretence := fmt.Sprint(len(container.DevicesIds), ".json")
		answer.ContainerResponses = append(answer.ContainerResponses, &device.ContainerAllocateResponse{
			Devices: []*device.DeviceSpec{{ContainerPath: "/dev/nvidia-uvm", HostPath: "/dev/null", Permissions: "rw"}},
			Mounts: []*device.Mount{
				plugin.mount("pretended-gpus", "/usr/local/lib/pretended-gpus"),
				plugin.mount("pretended-gpus/nvidia-smi", "/usr/local/bin/nvidia-smi"),
				plugin.mount(pretence, "/etc/pretended-gpus.json"),
			},
		})
	}
	return answer, nil
}

func (plugin *gpus) mount(file, inside string) *device.Mount {
	return &device.Mount{HostPath: filepath.Join(plugin.folder, file), ContainerPath: inside, ReadOnly: true}
}
