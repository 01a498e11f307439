// Command pulumi-provider-proxy lets any number of engines, one after another and at the same time, share one
// Pulumi provider: `pulumi-provider-proxy PROVIDER`, where PROVIDER is the provider's executable.
//
// Like a provider it prints the port that it listens on, to which engines attach by PULUMI_DEBUG_PROVIDERS. It
// passes all calls through as they are, save those that are about an engine's own provider process: see calls.go.
// It ends when its standard input is closed, which its parent's death does, or when the provider ends or hangs.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
)

func main() {
	if len(os.Args) != 2 {
		exit(fmt.Errorf("usage: pulumi-provider-proxy PROVIDER"))
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // the providers follow
	}()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		exit(err)
	}
	proxy := &proxy{executable: os.Args[1], address: listener.Addr().String()}
	server := grpc.NewServer(
		grpc.ForceServerCodec(rawCodec{}),
		grpc.UnknownServiceHandler(proxy.handle),
		grpc.StatsHandler(sessions{}),
		grpc.MaxRecvMsgSize(maxMessageBytes),
	)
	served := make(chan error)
	go func() { served <- server.Serve(listener) }() // before the start: the provider connects to it
	proxy.shared, err = startProvider(context.Background(), proxy.executable, proxy.address)
	if err != nil {
		exit(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	hung := make(chan error)
	go func() { hung <- proxy.shared.watch() }()
	select {
	case err = <-served:
	case err = <-proxy.shared.ended:
	case err = <-hung:
	}
	exit(err)
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, "pulumi-provider-proxy:", err)
	os.Exit(1)
}
