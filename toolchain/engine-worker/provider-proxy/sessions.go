package main

import (
	"context"
	"sync"

	"google.golang.org/grpc/stats"
)

// session is one connection of an engine, which opens one for each configured provider of its stack.
type session struct {
	mutex    sync.Mutex
	provider *provider
	closed   bool
}

// own returns the provider that serves this connection alone; nil if it uses the shared one.
func (s *session) own() *provider {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.provider
}

// take makes own the provider of this connection, until that is closed or gets another.
func (s *session) take(own *provider) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.stopProvider()
	s.provider = own
	if s.closed {
		s.stopProvider()
	}
}

func (s *session) close() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.closed = true
	s.stopProvider()
}

func (s *session) stopProvider() {
	if s.provider != nil {
		s.provider.stop()
	}
	s.provider = nil
}

type sessionKey struct{}

func sessionOf(ctx context.Context) *session {
	return ctx.Value(sessionKey{}).(*session)
}

// sessions gives each connection its session, and ends that with it.
type sessions struct{}

func (sessions) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, sessionKey{}, &session{})
}

func (sessions) HandleConn(ctx context.Context, event stats.ConnStats) {
	if _, ended := event.(*stats.ConnEnd); ended {
		sessionOf(ctx).close()
	}
}

func (sessions) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (sessions) HandleRPC(context.Context, stats.RPCStats) {}
