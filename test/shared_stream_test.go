package test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const stationProto = `
syntax = "proto3";
package station.v1;
import "protean/options/v1/options.proto";
service Station {
  rpc Watch(Place) returns (stream Weather) { option idempotency_level = NO_SIDE_EFFECTS; }
}
message Place { string name = 1; }
message Weather {
  int32 degrees = 1;
  string note = 2 [(protean.options.v1.field) = {deniable: true, policy: {action: ACTION_MASK, mask: "hidden", unless: "'keeper' in principal.roles"}}];
}
`

// TestSharedSubscriptions lets subscriptions share one stream of the backend, of two principals. What each may see is decided for each, and the last to leave ends the stream.
func TestSharedSubscriptions(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"station.proto": stationProto})
	weather := rpctest.Message(t, snapshot.Methods["/station.v1.Station/Watch"].Output.Descriptor(), `{"degrees": 7, "note": "secret"}`)
	say, ended := make(chan struct{}), make(chan struct{}, 1)
	backend := rpctest.Start(t, map[string]rpctest.Handler{"/station.v1.Station/Watch": func(s *rpctest.Stream) error {
		defer func() { ended <- struct{}{} }()
		for {
			select {
			case <-say:
				if err := s.Send(weather); err != nil {
					return err
				}
			case <-s.Context().Done():
				return context.Cause(s.Context())
			}
		}
	}}, rpctest.Reflect(snapshot.Backends[0]))
	g, stop := startGateway(t, stationConfig(backend.Address))
	t.Cleanup(stop)

	const path = "/station.v1.Station/Watch"
	var readers []*bufio.Reader
	var leave []context.CancelFunc
	for _, key := range []string{"keeper-key", "guest-key", "keeper-key"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		readers = append(readers, watchWeather(t, ctx, g.Addr(), key))
		leave = append(leave, cancel)
	}
	await(t, "two join the first", func() bool {
		_, metrics := fetch(t, "http://"+g.AdminAddr()+"/metrics")
		return strings.Contains(metrics, `protean_coalesce_calls_total{kind="joined"} 2`)
	})
	say <- struct{}{}
	for i, want := range []string{"secret", "hidden", "secret"} {
		if event := nextData(t, readers[i]); !strings.Contains(event, `"note":"`+want+`"`) {
			t.Errorf("subscriber %d got %s, want %s", i, event, want)
		}
	}
	leave[0]()
	leave[1]()
	say <- struct{}{}
	if event := nextData(t, readers[2]); !strings.Contains(event, "secret") {
		t.Errorf("who stayed got %s", event)
	}
	if n := backend.Calls(path); n != 1 {
		t.Errorf("%d calls", n)
	}
	leave[2]()
	rpctest.Wait(t, ended, "the end of the backend's stream")
}

func stationConfig(address string) *configv1.Config {
	key := func(text, subject string, roles ...string) *configv1.APIKey {
		sum := sha256.Sum256([]byte(text))
		return &configv1.APIKey{Sha256: proto.String(hex.EncodeToString(sum[:])), Subject: proto.String(subject), Roles: roles}
	}
	return &configv1.Config{
		// A backend that hears who is calling could answer each differently, so nothing is shared then.
		Identity: &configv1.Identity{Disabled: proto.Bool(true)},
		Backends: []*configv1.Backend{backendAt("station", address)},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("station.v1.Station.Watch"), Policy: &policyv1.Policy{
			Authorize: &policyv1.Authorize{},
			Coalesce:  &policyv1.Coalesce{Streams: proto.Bool(true), Shared: proto.Bool(true)},
		}}},
		Authenticators: []*configv1.Authenticator{{Name: proto.String("keys"), Kind: &configv1.Authenticator_ApiKeys{ApiKeys: &configv1.APIKeys{
			Keys: []*configv1.APIKey{key("keeper-key", "keeper", "keeper"), key("guest-key", "guest")},
		}}}},
	}
}

// watchWeather subscribes over server-sent events until ctx is done.
func watchWeather(t *testing.T, ctx context.Context, address, key string) *bufio.Reader {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/graphql",
		strings.NewReader(`{"query":"subscription { watch(name: \"here\") { degrees note } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("X-Api-Key", key)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return bufio.NewReader(response.Body)
}

// nextData returns the next event that has something in it.
func nextData(t *testing.T, events *bufio.Reader) string {
	t.Helper()
	for {
		line, err := events.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok && strings.TrimSpace(data) != "" {
			return data
		}
	}
}
