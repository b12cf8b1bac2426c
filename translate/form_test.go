package translate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// noteRoute returns the route of a method that takes forms.
func noteRoute(t testing.TB) (*REST, *route) {
	rest, _ := NewREST(library(t), nil, RESTOptions{})
	var p path
	if err := p.split("/v1/notes"); err != nil {
		t.Fatal(err)
	}
	return rest, rest.trie.match(http.MethodPost, &p)
}

// parse reads a whole body as a request does.
func parse(rest *REST, r *route, kind string, body []byte) ([]byte, error) {
	x := &exchange{rest: rest, route: r, body: body}
	if strings.HasPrefix(kind, typeMultipart) {
		return x.encodeParts(http.Header{"Content-Type": {kind}})
	}
	return x.encodeForm()
}

// FuzzMultipart checks that the parts of a body that is read whole set the same as those of
// a body that is read part by part, and what net/http's way of reading forms finds.
func FuzzMultipart(f *testing.F) {
	rest, route := noteRoute(f)
	add := func(parts ...string) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		_ = w.SetBoundary("b")
		for _, p := range parts {
			name, value, _ := strings.Cut(p, "=")
			part, _ := w.CreateFormFile(name, "f")
			_, _ = io.WriteString(part, value)
		}
		_ = w.Close()
		f.Add(body.Bytes())
	}
	add("name=x", "text=y", "tags=a", "tags=b")
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=tags\r\n\r\na\r\n--b\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name=text\r\n\r\nt\r\n--b--"))
	add("image=x", "files=1", "files=2", "sound=")
	add("author.displayName=x", "marks[a]=1")
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=author\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--"))
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=text\r\n\r\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		const kind = typeMultipart + "; boundary=b"
		want, err := parse(rest, route, kind, body)
		if err != nil {
			return // fields of one message exclude each other; those of many do not
		}
		checkPlainForm(t, decode(t, route.method.Input.Descriptor(), want), body)
		in, err := newPartMessages(route, bytes.NewReader(body), http.Header{"Content-Type": {kind}}, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		chunked := false // a file came in several messages
		for {
			msg, err := in.next()
			chunked = chunked || in.chunks > 1
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, msg...)
		}
		if chunked {
			md := route.method.Input.Descriptor()
			if got, want := joinedFiles(decode(t, md, got)), joinedFiles(decode(t, md, want)); got != want {
				t.Errorf("files: got %q, want %q", got, want)
			}
		} else if !bytes.Equal(got, want) {
			t.Errorf("got  %x\nwant %x", got, want)
		}
	})
}

// joinedFiles returns the contents of all files, one after the other.
func joinedFiles(m *dynamicpb.Message) (content string) {
	for list, i := m.Get(m.Descriptor().Fields().ByName("files")).List(), 0; i < list.Len(); i++ {
		file := list.Get(i).Message()
		content += string(file.Get(file.Descriptor().Fields().ByName("data")).Bytes())
	}
	return content
}

// checkPlainForm compares the texts that a message has with those of a form as net/http reads it.
func checkPlainForm(t *testing.T, m *dynamicpb.Message, body []byte) {
	form, err := multipart.NewReader(bytes.NewReader(body), "b").ReadForm(1 << 20)
	lower := bytes.ToLower(body)
	if err != nil || bytes.Contains(lower, []byte("json")) || bytes.Contains(lower, []byte("quoted-printable")) {
		return // what the two read in ways of their own
	}
	fields := m.Descriptor().Fields()
	var tags []string
	for list, i := m.Get(fields.ByName("tags")).List(), 0; i < list.Len(); i++ {
		tags = append(tags, list.Get(i).String())
	}
	if len(form.File["tags"]) == 0 && !slices.Equal(tags, form.Value["tags"]) {
		t.Errorf("tags: got %q, want %q", tags, form.Value["tags"])
	}
	if text := form.Value["text"]; len(text) == 1 && m.Get(fields.ByName("text")).String() != text[0] {
		t.Errorf("text: got %q, want %q", m.Get(fields.ByName("text")), text)
	}
}

// FuzzForm checks that a form sets the same in either encoding.
func FuzzForm(f *testing.F) {
	rest, route := noteRoute(f)
	for _, form := range []string{"", "name=x&text=y", "tags=a&tags=b", "marks[a]=1&author.displayName=J", "a=b", "text=%zz", "text=+%2B&&"} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		form = string(trimSpace([]byte(form)))
		got, err := parse(rest, route, typeForm, []byte(form))
		body, ok := asMultipart(form)
		if !ok {
			return
		}
		want, wantErr := parse(rest, route, typeMultipart+"; boundary=boundary", body)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("got %x (%v)\nwant %x (%v)", got, err, want, wantErr)
		}
	})
}

// asMultipart writes a form as multipart/form-data, where that can say the same.
func asMultipart(form string) ([]byte, bool) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	_ = w.SetBoundary("boundary")
	for pair := range strings.SplitSeq(form, "&") {
		if pair == "" {
			continue
		}
		name, value, ok := unescapePair(pair)
		field, _, _ := strings.Cut(name, "[")
		if !ok || name == "" || !printable(name) || strings.ContainsAny(name, `"\%`) || field == "image" ||
			field == "sound" || field == "files" || strings.Contains(value, "--boundary") {
			return nil, false
		}
		part, err := w.CreateFormField(name)
		if err != nil {
			return nil, false
		}
		_, _ = io.WriteString(part, value)
	}
	if w.Close() != nil {
		return nil, false
	}
	return body.Bytes(), true
}

// TestUploadBegins checks that the first chunk of a file arrives before its last was sent.
func TestUploadBegins(t *testing.T) {
	first, rest := make(chan struct{}), make(chan struct{})
	server := startREST(t, uploadInSteps(first, rest), false)
	body, write := io.Pipe()
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	if _, err := w.CreateFormFile("data", "x"); err != nil {
		t.Fatal(err)
	}
	go func() { // ends when the server no longer reads
		_, _ = write.Write(head.Bytes())
		_, _ = write.Write(make([]byte, 100))
		<-rest
		_, _ = io.WriteString(write, "\r\n--"+w.Boundary()+"--\r\n")
		write.Close()
	}()
	answered := make(chan error, 1)
	go func() {
		res, err := server.Client().Post(server.URL+"/v1/archive/a:append", w.FormDataContentType(), body)
		if err == nil {
			err = res.Body.Close()
		}
		answered <- err
	}()
	rpctest.Wait(t, first, "the first chunk") // before the file is at its end
	close(rest)
	if err := rpctest.Wait(t, answered, "the answer"); err != nil {
		t.Error(err)
	}
}

// TestUploadIsHeldBack has a backend that takes one message and then its time: the client cannot send much
// more than the network holds, in whatever form it does.
func TestUploadIsHeldBack(t *testing.T) {
	const size = 64 << 20
	line := []byte(`{"text":"` + strings.Repeat("x", 1<<10) + "\"}\n")
	for _, c := range []struct {
		kind, target, begin, end string
		piece                    []byte
	}{
		{typeOctets, "/v1/archive/a:store", "", "", make([]byte, 1<<10)},
		{typeNDJSON, "/v1/collect", "", "", line},
		{
			typeMultipart + "; boundary=b", "/v1/archive/a:append",
			"--b\r\nContent-Disposition: form-data; name=\"data\"; filename=\"x\"\r\n\r\n", "\r\n--b--\r\n", make([]byte, 1<<10),
		},
	} {
		first, rest := make(chan struct{}), make(chan struct{})
		server := startREST(t, uploadInSteps(first, rest), false)
		body, write := io.Pipe()
		var sent atomic.Int64
		var enough atomic.Bool
		go func() {
			_, _ = io.WriteString(write, c.begin)
			for sent.Load() < size && !enough.Load() {
				n, err := write.Write(c.piece)
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
			_, _ = io.WriteString(write, c.end)
			write.Close()
		}()
		answered := make(chan error, 1)
		go func() {
			res, err := server.Client().Post(server.URL+c.target, c.kind, body)
			if err == nil {
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					err = errors.New(res.Status)
				}
			}
			answered <- err
		}()
		rpctest.Wait(t, first, "the first message")
		for before := int64(-1); before != sent.Load(); time.Sleep(100 * time.Millisecond) {
			before = sent.Load()
		}
		if n := sent.Load(); n > size/2 {
			t.Errorf("%s: %d bytes were taken while the backend took none", c.kind, n)
		}
		enough.Store(true)
		close(rest)
		if err := rpctest.Wait(t, answered, "the answer"); err != nil {
			t.Errorf("%s: %v", c.kind, err)
		}
	}
}

func uploadInSteps(first, rest chan struct{}) rpc.Handler {
	return func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		close(first)
		<-rest
		for {
			if _, err := s.Recv(); errors.Is(err, io.EOF) {
				return s.Send(nil)
			} else if err != nil {
				return err
			}
		}
	}
}
