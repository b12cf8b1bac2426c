package rpc_test

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
)

// TestStatusOf leaves out what was wrapped around a status: it is not for clients.
func TestStatusOf(t *testing.T) {
	inner := status.Error(codes.NotFound, "no such book")
	for _, c := range []struct {
		err  error
		ok   bool
		code codes.Code
		text string
	}{
		{nil, true, codes.OK, ""},
		{inner, true, codes.NotFound, "no such book"},
		{fmt.Errorf("dial 10.0.0.1: %w", inner), true, codes.NotFound, "no such book"},
		{errors.New("dial 10.0.0.1"), false, codes.OK, ""},
	} {
		st, ok := rpc.StatusOf(c.err)
		if ok != c.ok || st.Code() != c.code || st.Message() != c.text {
			t.Errorf("%v: %v, %v", c.err, st, ok)
		}
	}
}
