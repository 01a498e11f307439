package main

import (
	"context"
	"strings"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	engineService   = "/pulumirpc.Engine/"
	attachMethod    = "/pulumirpc.ResourceProvider/Attach"
	cancelMethod    = "/pulumirpc.ResourceProvider/Cancel"
	configureMethod = "/pulumirpc.ResourceProvider/Configure"
	handshakeMethod = "/pulumirpc.ResourceProvider/Handshake"
)

// proxy stands between engines and the provider that they share.
type proxy struct {
	executable string
	address    string
	shared     *provider

	configuring   sync.Mutex
	configuration *pulumirpc.ConfigureRequest
	configured    []byte
}

// handle answers one call. All methods of a provider that engines call take one message and give one.
func (p *proxy) handle(_ any, stream grpc.ServerStream) error {
	ctx := stream.Context()
	method, _ := grpc.MethodFromServerStream(stream)
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	answer, err := p.answer(ctx, method, request)
	if err != nil {
		return err
	}
	return stream.SendMsg(&answer)
}

func (p *proxy) answer(ctx context.Context, method string, request []byte) ([]byte, error) {
	session := sessionOf(ctx)
	switch {
	case strings.HasPrefix(method, engineService):
		// The provider speaks: it has an engine that is nobody's, so that no run hears what concerns another.
		return nil, nil
	case method == attachMethod:
		// Each engine would become the one that hears about the runs of all others.
		return nil, nil
	case method == cancelMethod:
		// Sent at the end of each run; the provider would refuse all work from then on.
		return nil, nil
	case method == handshakeMethod:
		// It offers addresses of the one engine, which ends before the provider does. Without it, engines attach.
		return nil, status.Error(codes.Unimplemented, "a shared provider shakes no hands")
	case method == configureMethod:
		return p.configure(ctx, session, request)
	}
	return p.providerOf(session).call(ctx, method, request)
}

// configure passes the first configuration on, and answers equal ones with what the provider said to that: it is
// not made to be configured twice. An engine with another configuration gets a provider of its own.
func (p *proxy) configure(ctx context.Context, session *session, request []byte) ([]byte, error) {
	configuration := &pulumirpc.ConfigureRequest{}
	if err := proto.Unmarshal(request, configuration); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	// These name the provider within its stack, and decide nothing.
	configuration.Urn, configuration.Name, configuration.Type, configuration.Id = nil, nil, nil, nil

	p.configuring.Lock()
	defer p.configuring.Unlock()
	switch {
	case p.configuration == nil:
		answer, err := p.shared.call(ctx, configureMethod, request)
		if err == nil {
			p.configuration, p.configured = configuration, answer
		}
		return answer, err
	case proto.Equal(configuration, p.configuration):
		return p.configured, nil
	}
	own, err := startProvider(ctx, p.executable, p.address)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	session.take(own)
	return own.call(ctx, configureMethod, request)
}

func (p *proxy) providerOf(session *session) *provider {
	if own := session.own(); own != nil {
		return own
	}
	return p.shared
}

// call passes a call on as it is: the bytes of the request, the bytes of the answer, or the error with its details.
func (p *provider) call(ctx context.Context, method string, request []byte) ([]byte, error) {
	var answer []byte
	err := p.connection.Invoke(ctx, method, &request, &answer, grpc.ForceCodec(rawCodec{}))
	return answer, err
}

// rawCodec leaves messages as the bytes that they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, message any) error {
	*message.(*[]byte) = data
	return nil
}
