package test

import (
	"net/http"
	"strings"
	"testing"
)

// TestOutageLog takes a backend away, calls it many times, and brings it back: the log has a line for each change of
// state, and none for each call; the calls are counted by reason.
func TestOutageLog(t *testing.T) {
	l := listenForHandover(t)
	server := greeter(t, greeterBefore)
	go func() { _ = server.Serve(handover{l}) }()
	c := startConfigured(t, "backends: [{name: greeter, address: '"+l.Addr().String()+"'}]")
	route := "http://" + c.Addr() + "/v1/greetings/ada"
	await(t, "the backend", func() bool { code, _ := fetch(t, route); return code == http.StatusOK })
	server.Stop()
	l.Close()
	const calls = 500
	await(t, "the loss", func() bool { return strings.Contains(c.log.String(), "backend connection failed") })
	for range calls {
		if code, body := fetch(t, route); code != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", code, body)
		}
	}
	log := c.log.String()
	for _, line := range []string{
		`level=WARN msg="backend connection failed; calls are refused until it is ready" backend=greeter`,
		`level=WARN msg="circuit breaker changed state" backend=greeter method=/greet.v1.Greeter/GetGreeting state=open reason=unreachable`,
	} {
		if n := strings.Count(log, line); n != 1 {
			t.Errorf("%d lines with %s:\n%s", n, line, log)
		}
	}
	if n := strings.Count(log, "msg=call "); n > failuresLoggedAtMost {
		t.Errorf("%d lines about single calls:\n%s", n, log)
	}
	_, metrics := fetch(t, "http://"+c.AdminAddr()+"/metrics")
	for _, reason := range []string{"unreachable", "breaker_open"} {
		if !strings.Contains(metrics, `protean_call_failures_total{protean_backend="greeter",reason="`+reason+`"}`) {
			t.Errorf("calls are not counted as %s", reason)
		}
	}
}

// failuresLoggedAtMost is what calls that were under way when the backend went may have logged.
const failuresLoggedAtMost = 5
