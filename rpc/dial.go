package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Dial connects to an endpoint outside of any pool, and returns once a server has accepted the connection. Unless
// it is patient the first failure ends it, otherwise only ctx does; the error is the reason of the last
// failure. The caller closes the connection.
func (e Endpoint) Dial(ctx context.Context, patient bool) (*grpc.ClientConn, error) {
	target, creds, err := e.target()
	if err != nil {
		return nil, err
	}
	cc, err := grpc.NewClient(target, append(dialOptions(), grpc.WithDisableServiceConfig(),
		grpc.WithTransportCredentials(creds), grpc.WithContextDialer(e.dialer()))...)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", e.Name, err)
	}
	if err := ready(ctx, cc, patient); err != nil {
		_ = cc.Close()
		return nil, err
	}
	return cc, nil
}

// ready waits until a connection is ready.
func ready(ctx context.Context, cc *grpc.ClientConn, patient bool) (failed error) {
	for {
		state := cc.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.Idle:
			cc.Connect()
		case connectivity.TransientFailure:
			if reason := failure(ctx, cc); reason != nil {
				failed = reason
			}
			if failed != nil && !patient {
				return failed
			}
		}
		if !cc.WaitForStateChange(ctx, state) {
			if failed == nil {
				failed = context.Cause(ctx)
			}
			return failed
		}
	}
}

// failure returns why a connection fails, as a call is told that does not wait; nil: it does not fail any more.
func failure(ctx context.Context, cc *grpc.ClientConn) error {
	failed := status.Convert(cc.Invoke(ctx, "/grpc.health.v1.Health/Check", &emptypb.Empty{}, &emptypb.Empty{}))
	if cc.GetState() == connectivity.Ready || ctx.Err() != nil {
		return nil //nolint:nilerr // whatever the call returned, it says nothing of the connection
	}
	text := strings.TrimSuffix(failed.Message(), `"`)
	for _, prefix := range []string{`connection error: desc = "`, "transport: ", "Error while dialing: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return errors.New(text)
}
