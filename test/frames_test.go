package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/translate/transport"
)

// TestMisbehavingBackend has a backend that breaks HTTP/2 or gRPC in each way, and looks
// what every door makes of it: the right code, and no word but our own.
func TestMisbehavingBackend(t *testing.T) {
	fine := []byte("\n\x04fine")
	const (
		lost       = "the connection to the backend was lost"
		notReached = "the backend is not reachable"
		brokenOff  = "the backend broke off the call"
		bad        = "the backend's answer is broken"
		notGRPC    = "the backend did not answer in gRPC"
		late       = "the deadline of the call passed"
	)
	gRPC := []string{":status", "200", "content-type", "application/grpc"}
	for _, c := range []struct {
		name     string
		script   func(*rpctest.FrameStream)
		settings []http2.Setting
		code     codes.Code
		text     string
	}{
		{"an answer that is well", func(s *rpctest.FrameStream) { s.Answer(fine) }, nil, codes.OK, ""},
		{"reset at once", func(s *rpctest.FrameStream) { s.Reset(http2.ErrCodeInternal) }, nil, codes.Internal, brokenOff},
		{"cancelled at once", func(s *rpctest.FrameStream) { s.Reset(http2.ErrCodeCancel) }, nil, codes.Internal, brokenOff},
		{"refused", func(s *rpctest.FrameStream) { s.Reset(http2.ErrCodeRefusedStream) }, nil, codes.Unavailable, notReached},
		{"reset after the head", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Reset(http2.ErrCodeInternal)
		}, nil, codes.Internal, brokenOff},
		{"reset after the message", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Data(false, rpctest.Framed(fine))
			s.Reset(http2.ErrCodeProtocol)
		}, nil, codes.Internal, brokenOff},
		{"reset after the trailers", func(s *rpctest.FrameStream) {
			s.Answer(fine)
			s.Reset(http2.ErrCodeNo)
		}, nil, codes.OK, ""},
		{"an end without trailers", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Data(true, rpctest.Framed(fine))
		}, nil, codes.Internal, bad},
		{"an end within a message", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Data(false, rpctest.Framed(fine)[:7])
			s.End("0", "")
		}, nil, codes.Internal, bad},
		{"hanging up", func(s *rpctest.FrameStream) { s.Hangup() }, nil, codes.Unavailable, lost},
		{"hanging up after the head", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Hangup()
		}, nil, codes.Unavailable, lost},
		{"silence", func(*rpctest.FrameStream) {}, nil, codes.DeadlineExceeded, late},
		{"silence after the head", func(s *rpctest.FrameStream) { s.Begin() }, nil, codes.DeadlineExceeded, late},
		{"silence after the message", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Data(false, rpctest.Framed(fine))
		}, nil, codes.DeadlineExceeded, late},
		{"silence after going away", func(s *rpctest.FrameStream) { s.GoAway(s.ID, http2.ErrCodeNo) }, nil, codes.DeadlineExceeded, late},
		{"an end that is none", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Data(false, rpctest.Framed(fine))
			s.Headers(false, "grpc-status", "0")
		}, nil, codes.Internal, bad},
		{"a message before the head", func(s *rpctest.FrameStream) {
			s.Data(false, rpctest.Framed(fine))
			s.End("0", "")
		}, nil, codes.Internal, notGRPC},
		{"a head after another", func(s *rpctest.FrameStream) {
			s.Headers(false, ":status", "103", "link", "</secret>")
			s.Answer(fine)
		}, nil, codes.OK, ""},
		{"no window at all", func(s *rpctest.FrameStream) { s.Answer(fine) },
			[]http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, codes.DeadlineExceeded, late},
		{"a window that is too large", func(s *rpctest.FrameStream) {
			s.Raw([]byte{0, 0, 4, 8, 0, 0, 0, 0, byte(s.ID), 0x7f, 0xff, 0xff, 0xff})
			s.Raw([]byte{0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff})
			s.Answer(fine)
		}, nil, codes.OK, ""},
		{"settings without end", func(s *rpctest.FrameStream) {
			s.Raw(bytes.Repeat([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}, 1000))
			s.Answer(fine)
		}, nil, codes.OK, ""},
		{"a head that is too large", func(s *rpctest.FrameStream) {
			s.Headers(false, append(gRPC, "x-secret", strings.Repeat("secret", 2500))...)
			for range 30 {
				s.Headers(false, "x-secret", strings.Repeat("secret", 2500))
			}
		}, nil, codes.Internal, bad},
		{"a promise of something else", func(s *rpctest.FrameStream) {
			s.Raw([]byte{0, 0, 5, 5, 4, 0, 0, 0, byte(s.ID), 0, 0, 0, 2, 0x82})
			s.Answer(fine)
		}, nil, codes.OK, ""},
		{"calming down, and an answer", func(s *rpctest.FrameStream) {
			s.GoAway(s.ID, http2.ErrCodeEnhanceYourCalm)
			s.Answer(fine)
		}, nil, codes.OK, ""},
		{"going away after the answer", func(s *rpctest.FrameStream) {
			s.GoAway(s.ID, http2.ErrCodeNo)
			s.Answer(fine)
		}, nil, codes.OK, ""},
		{"frames of one byte", func(s *rpctest.FrameStream) {
			s.Begin()
			for _, b := range rpctest.Framed(fine) {
				s.Data(false, []byte{b})
			}
			s.End("0", "")
		}, nil, codes.OK, ""},
		{"empty frames", func(s *rpctest.FrameStream) {
			s.Begin()
			for range 100 {
				s.Data(false, nil)
			}
			s.Data(false, rpctest.Framed(fine))
			s.End("0", "")
		}, nil, codes.OK, ""},
		{"a window of one byte", func(s *rpctest.FrameStream) { s.Answer(fine) },
			[]http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1}}, codes.OK, ""},
		{"a page in HTML", func(s *rpctest.FrameStream) {
			s.Headers(false, ":status", "200", "content-type", "text/html")
			s.Data(true, []byte("<html>secret</html>"))
		}, nil, codes.Internal, notGRPC},
		{"a page of a proxy", func(s *rpctest.FrameStream) {
			s.Headers(false, ":status", "502", "content-type", "text/html")
			s.Data(true, []byte("<html>secret</html>"))
		}, nil, codes.Unavailable, notReached},
		{"no frames at all", func(s *rpctest.FrameStream) { s.Raw([]byte("HTTP/1.1 400 Bad Request\r\n\r\nsecret")) }, nil, codes.Unavailable, lost},
		{"a frame that is too large", func(s *rpctest.FrameStream) { s.Raw([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1}) }, nil, codes.Unavailable, lost},
		{"broken fields", func(s *rpctest.FrameStream) { s.Raw([]byte{0, 0, 2, 1, 4, 0, 0, 0, byte(s.ID), 0xff, 0xff}) }, nil, codes.Unavailable, lost},
		{"a message of an unknown coding", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Data(false, append([]byte{1}, rpctest.Framed(fine)[1:]...))
			s.End("0", "")
		}, nil, codes.Internal, bad},
		{"two messages", func(s *rpctest.FrameStream) {
			s.Begin()
			s.Data(false, bytes.Repeat(rpctest.Framed(fine), 2))
			s.End("0", "")
		}, nil, codes.Internal, bad},
		{"no message", func(s *rpctest.FrameStream) {
			s.Begin()
			s.End("0", "")
		}, nil, codes.Internal, bad},
		{"a status that is no number", func(s *rpctest.FrameStream) { s.Headers(true, append(gRPC, "grpc-status", "fine")...) }, nil, codes.Internal, bad},
		{"a status that nobody knows", func(s *rpctest.FrameStream) {
			s.Headers(true, append(gRPC, "grpc-status", "99", "grpc-message", "odd")...)
		}, nil, codes.Unknown, "odd"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			backend := rpctest.StartFrames(t, c.script, c.settings...)
			config := waiting(backend.Address, timeoutFor(c.code))
			config.Backends[0].Source = &configv1.Backend_Proto{Proto: protoFolder(t, silentService)}
			g, stop := startGateway(t, config)
			defer stop()
			want := answered("fine")
			if c.code != codes.OK {
				want = failed(c.code, c.text)
			}
			checkREST(t, g.Addr(), want)
			checkGraphQL(t, g.Addr(), want)
			checkGRPC(t, g.Addr(), want)
			checkConnect(t, g.Addr(), want)
			checkGRPCWeb(t, g.Addr(), want)
		})
	}
}

// TestMisbehavingStream has a backend that sends two messages of a stream as it should, and then breaks it in each
// way: clients of REST and of gRPC get both, and then the right code with our own words.
func TestMisbehavingStream(t *testing.T) {
	one, other := rpctest.Framed([]byte("\n\x03one")), rpctest.Framed([]byte("\n\x05other"))
	for _, c := range []struct {
		name string
		then func(*rpctest.FrameStream)
		code codes.Code
		text string
	}{
		{"ends well", func(s *rpctest.FrameStream) { s.End("0", "") }, codes.OK, ""},
		{"is reset", func(s *rpctest.FrameStream) { s.Reset(http2.ErrCodeInternal) }, codes.Internal, "the backend broke off the call"},
		{"is cancelled", func(s *rpctest.FrameStream) { s.Reset(http2.ErrCodeCancel) }, codes.Internal, "the backend broke off the call"},
		{"is refused too late", func(s *rpctest.FrameStream) { s.Reset(http2.ErrCodeRefusedStream) }, codes.Unavailable, "the connection to the backend was lost"},
		{"is reset after its end", func(s *rpctest.FrameStream) {
			s.End("0", "")
			s.Reset(http2.ErrCodeNo)
		}, codes.OK, ""},
		{"hangs up", func(s *rpctest.FrameStream) { s.Hangup() }, codes.Unavailable, "the connection to the backend was lost"},
		{"is silent", func(*rpctest.FrameStream) {}, codes.DeadlineExceeded, "the deadline of the call passed"},
		{"goes away, and goes on", func(s *rpctest.FrameStream) {
			s.GoAway(s.ID, http2.ErrCodeNo)
			s.End("0", "")
		}, codes.OK, ""},
		{"goes away for what it has begun", func(s *rpctest.FrameStream) {
			s.GoAway(0, http2.ErrCodeNo)
			s.Hangup()
		}, codes.Unavailable, "the connection to the backend was lost"},
		{"ends without trailers", func(s *rpctest.FrameStream) { s.Data(true, nil) }, codes.Internal, "the backend's answer is broken"},
		{"ends within a message", func(s *rpctest.FrameStream) {
			s.Data(false, one[:6])
			s.End("0", "")
		}, codes.Internal, "the backend's answer is broken"},
		{"is a page in the end", func(s *rpctest.FrameStream) { s.Data(true, []byte("<html>secret</html>")) },
			codes.Internal, "a response message is larger than the limit of 4194304 bytes"}, // so its bytes read
		{"is bytes", func(s *rpctest.FrameStream) { s.Raw([]byte("HTTP/1.1 500 secret\r\n\r\n")) }, codes.Unavailable, "the connection to the backend was lost"},
		{"fails", func(s *rpctest.FrameStream) { s.End("9", "not now") }, codes.FailedPrecondition, "not now"},
		{"ends with no status", func(s *rpctest.FrameStream) { s.Headers(true, "x-other", "secret") }, codes.Unknown, "the backend returned UNKNOWN without a message"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{}, 2) // has room for one of each door
			backend := rpctest.StartFrames(t, func(s *rpctest.FrameStream) {
				s.Begin()
				for _, b := range one { // a byte a frame
					s.Data(false, []byte{b})
				}
				s.Data(false, other)
				if c.code != codes.OK { // what has arrived is not lost with the connection
					select {
					case <-arrived:
					case <-t.Context().Done():
					}
				}
				c.then(s)
			})
			timeout := exchangeTimeout
			if c.code == codes.DeadlineExceeded {
				timeout = 3 * time.Second // in which both messages come
			}
			config := waiting(backend.Address, timeout)
			config.Backends[0].Source = &configv1.Backend_Proto{Proto: protoFolder(t, silentService)}
			g, stop := startGateway(t, config)
			defer stop()
			want := `{"data":{"text":"one"}}` + "\n" + `{"data":{"text":"other"}}` + "\n" + `{"end":{}}` + "\n"
			if c.code != codes.OK {
				want = strings.Replace(want, `{"end":{}}`, fmt.Sprintf(`{"error":{"code":%d,"message":%q,"details":[]}}`, c.code, c.text), 1)
			}
			ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
			defer cancel()
			both := func(heard int) {
				if heard == 2 {
					arrived <- struct{}{}
				}
			}
			checkRESTStream(ctx, t, g.Addr(), want, both)
			checkGRPCStream(ctx, t, g.Addr(), c.code, c.text, both)
		})
	}
}

// checkRESTStream watches over REST until the stream ends, and tells how many lines it has heard.
func checkRESTStream(ctx context.Context, t *testing.T, addr, want string, heard func(lines int)) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got strings.Builder
	from := bufio.NewReader(resp.Body)
	for lines := 1; ; lines++ {
		line, err := from.ReadString('\n')
		got.WriteString(line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Errorf("REST: %v", err)
			break
		}
		heard(lines)
	}
	if got.String() != want {
		t.Errorf("REST: %s", got.String())
	}
}

// checkGRPCStream watches over gRPC until the stream ends, and tells how many messages it has heard.
func checkGRPCStream(ctx context.Context, t *testing.T, addr string, code codes.Code, text string, heard func(messages int)) {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/silent.v1.Silent/Watch", grpc.ForceCodec(rawCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.SendMsg(&rawMessage{}) // RecvMsg has the status
	_ = stream.CloseSend()
	messages := 0
	for err == nil {
		if err = stream.RecvMsg(&rawMessage{}); err == nil {
			messages++
			heard(messages)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if st := status.Convert(err); messages != 2 || st.Code() != code || st.Message() != text {
		t.Errorf("gRPC: %d messages, %v", messages, err)
	}
}

// TestGoingAwayIsNoFailure has a backend that goes away with every first request it does not
// carry out; grpc calls it again on another connection.
func TestGoingAwayIsNoFailure(t *testing.T) {
	var mu sync.Mutex
	seen := 0
	backend := rpctest.StartFrames(t, func(s *rpctest.FrameStream) {
		mu.Lock()
		seen++
		first := seen%2 == 1
		mu.Unlock()
		if first {
			s.GoAway(0, http2.ErrCodeNo)
			<-s.Over() // nothing is left for grpc on this connection
			return
		}
		s.Answer([]byte("\n\x04fine"))
	})
	config := waiting(backend.Address, exchangeTimeout)
	config.Policies = nil
	config.Backends[0].Source = &configv1.Backend_Proto{Proto: protoFolder(t, silentService)}
	g, stop := startGateway(t, config)
	defer stop()
	checkREST(t, g.Addr(), answered("fine"))
	checkGRPC(t, g.Addr(), answered("fine"))
	if seen != 4 {
		t.Errorf("the backend saw %d requests", seen)
	}
}

// protoFolder writes a .proto file into a folder of the test.
func protoFolder(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.proto"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// failed is what the doors say of a status without details.
func failed(code codes.Code, text string) answers {
	name, status := transport.CodeName(code), transport.HTTPStatus(code)
	return answers{
		restStatus: status,
		rest:       fmt.Sprintf(`{"code":%d,"message":%q,"details":[]}`, code, text),
		graphql: fmt.Sprintf(`{"errors":[{"message":%q,"path":["get"],"locations":[{"line":1,"column":3}],"extensions":{"code":%q,"grpc":{"code":%d,"status":%q}}}],"data":{"get":null}}`,
			text, name, code, name),
		grpc:     code,
		grpcText: text,
		connect:  fmt.Sprintf(`{"code":%q,"message":%q}`, transport.ConnectCode(code), text),
		web:      fmt.Sprintf("grpc-message: %s\r\ngrpc-status: %d\r\n", text, code),
	}
}

// answered is what the doors say of an event with a text.
func answered(text string) answers {
	return answers{
		restStatus: http.StatusOK,
		rest:       fmt.Sprintf(`{"text":%q}`, text),
		graphql:    fmt.Sprintf(`{"data":{"get":{"text":%q}}}`, text),
		connect:    fmt.Sprintf("\n%c%s", len(text), text),
		web:        "grpc-status: 0\r\n",
	}
}
