package translate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// ggBackend answers the calls of both gateways, and keeps what it was asked.
type ggBackend struct {
	t       testing.TB
	answer  string // in JSON; empty: an empty message
	err     error
	header  metadata.MD
	trailer metadata.MD
	seen    string        // the request in JSON, under the path of the method
	waits   time.Duration // until the deadline of the call, in whole seconds
	carried metadata.MD
}

func (b *ggBackend) call(ctx context.Context, m *schema.Method, request []byte, md metadata.MD) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		b.waits = (time.Until(deadline) + time.Second - 1).Truncate(time.Second)
	}
	b.seen, b.carried = m.Path+" "+sortedJSON(string(asJSON(b.t, m.Input.Descriptor(), request))), md
	if b.err != nil {
		return nil, b.err
	}
	answer := b.answer
	if answer == "" {
		answer = "{}"
	}
	return rpctest.Message(b.t, m.Output.Descriptor(), answer), nil
}

// ours serves the backend.
func (b *ggBackend) ours(snap *schema.Snapshot) http.Handler {
	rest, _ := NewREST(snap, func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		answer, err := b.call(ctx, c.Method, c.Request, c.Metadata)
		s.SetTrailer(b.trailer)
		if b.header != nil {
			_ = s.SendHeader(b.header)
		}
		if err != nil {
			return err
		}
		return s.Send(answer)
	}, RESTOptions{})
	return rest
}

// theirs serves it as the code does that protoc-gen-grpc-gateway generates, on grpc-gateway's own
// runtime: its mux with its patterns, its marshalers, its way to read bodies, paths and queries.
func (b *ggBackend) theirs(snap *schema.Snapshot) http.Handler {
	mux := runtime.NewServeMux()
	for _, s := range snap.Services {
		for _, m := range s.Methods {
			for _, binding := range m.Bindings {
				if m.Streams() || binding.Verb == "*" {
					continue
				}
				if err := mux.HandlePath(binding.Verb, binding.Template, b.generated(mux, m, binding)); err != nil {
					b.t.Fatal(err)
				}
			}
		}
	}
	return mux
}

func (b *ggBackend) generated(mux *runtime.ServeMux, m *schema.Method, binding *schema.Binding) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, pathParams map[string]string) {
		in, out := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(r.Context(), mux, r, m.Path, runtime.WithHTTPPathPattern(binding.Template))
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		request, err := ggRequest(in, m, binding, r, pathParams)
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		wire, err := proto.Marshal(request)
		if err != nil {
			b.t.Fatal(err)
		}
		md, _ := metadata.FromOutgoingContext(ctx)
		answer, err := b.call(ctx, m, wire, md)
		ctx = runtime.NewServerMetadataContext(ctx, runtime.ServerMetadata{HeaderMD: b.header, TrailerMD: b.trailer})
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		runtime.ForwardResponseMessage(ctx, mux, out, w, r, ggAnswer(b.t, m, binding, answer), mux.GetForwardResponseOptions()...)
	}
}

// ggRequest reads a request.
func ggRequest(in runtime.Marshaler, m *schema.Method, binding *schema.Binding, r *http.Request, pathParams map[string]string) (proto.Message, error) {
	message := dynamicpb.NewMessage(m.Input.Descriptor())
	invalid := func(err error) error { return status.Errorf(codes.InvalidArgument, "%v", err) }
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalid(err)
	}
	var bound [][]string
	switch binding.Body {
	case "":
	case "*":
		if err := in.NewDecoder(bytes.NewReader(body)).Decode(message); err != nil && !errors.Is(err, io.EOF) {
			return nil, invalid(err)
		}
	default:
		bound = append(bound, strings.Split(binding.Body, "."))
		field, at := protoreflect.Message(message), strings.Split(binding.Body, ".")
		for _, name := range at {
			field = field.Mutable(field.Descriptor().Fields().ByName(protoreflect.Name(name))).Message()
		}
		if err := in.NewDecoder(bytes.NewReader(body)).Decode(field.Interface()); err != nil && !errors.Is(err, io.EOF) {
			return nil, invalid(err)
		}
		if mask := message.Descriptor().Fields().ByName("update_mask"); mask != nil && binding.Verb == "PATCH" && !message.Has(mask) {
			paths, err := runtime.FieldMaskFromRequestBody(bytes.NewReader(body), field.Interface())
			if err != nil {
				return nil, invalid(err)
			}
			text, _ := proto.Marshal(paths)
			if err := proto.Unmarshal(text, message.Mutable(mask).Message().Interface()); err != nil {
				return nil, invalid(err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pathParams)) {
		bound = append(bound, strings.Split(name, "."))
		if err := runtime.PopulateFieldFromPath(message, name, pathParams[name]); err != nil {
			return nil, invalid(err)
		}
	}
	if binding.Body == "*" {
		return message, nil
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err := r.ParseForm(); err != nil {
		return nil, invalid(err)
	}
	if err := runtime.PopulateQueryParameters(message, r.Form, utilities.NewDoubleArray(bound)); err != nil {
		return nil, invalid(err)
	}
	return message, nil
}

// ggBody is an answer with a response_body.
type ggBody struct {
	proto.Message
	body any
}

// XXX_ResponseBody is what generated code has for it.
func (b ggBody) XXX_ResponseBody() any { return b.body } //nolint:revive // grpc-gateway calls it so

func ggAnswer(t testing.TB, m *schema.Method, binding *schema.Binding, wire []byte) proto.Message {
	if isHTTPBody(m.Output) {
		raw := new(httpbody.HttpBody)
		if err := proto.Unmarshal(wire, raw); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	message := decode(t, m.Output.Descriptor(), wire)
	if binding.ResponseBody != "books" {
		return message
	}
	var books []proto.Message
	list := message.Get(message.Descriptor().Fields().ByName("books")).List()
	for i := range list.Len() {
		books = append(books, list.Get(i).Message().Interface())
	}
	return ggBody{message, books}
}

// ggAnswered is what a client and a backend learn of a request.
type ggAnswered struct {
	Seen    string
	Status  int
	Kind    string
	Body    string
	Headers string // those of the backend
	Carried string
	Waits   time.Duration
}

func (b *ggBackend) ask(handler http.Handler, r *http.Request) ggAnswered {
	b.seen, b.carried, b.waits = "", nil, 0
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	a := ggAnswered{Seen: b.seen, Status: w.Code, Kind: w.Header().Get("Content-Type"), Body: w.Body.String(), Carried: shownMetadata(b.carried), Waits: b.waits}
	headers := metadata.MD{}
	for name, values := range w.Header() {
		if strings.HasPrefix(name, runtime.MetadataHeaderPrefix) {
			headers[name] = values
		}
	}
	a.Headers = shownMetadata(headers)
	if a.Kind == typeJSON {
		a.Body = sortedJSON(a.Body)
	}
	if b.seen == "" && a.Status >= http.StatusBadRequest { // a refusal in the words of each
		var said struct{ Code int }
		_ = json.Unmarshal([]byte(a.Body), &said)
		a.Body = codes.Code(said.Code).String()
	}
	return a
}

// shownMetadata leaves out what says where a request came from, and of the headers that grpc-gateway
// always passes on, those that every request here has.
func shownMetadata(md metadata.MD) string {
	lines := []string{}
	for key, values := range md {
		switch key {
		case "x-forwarded-host", "x-forwarded-for", runtime.MetadataPrefix + "accept", runtime.MetadataPrefix + "content-type":
		default:
			lines = append(lines, key+"="+strings.Join(values, ","))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

// sortedJSON brings members and the paths of field masks into an order, and leaves out the nulls that
// grpc-gateway writes for messages which are not there.
func sortedJSON(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	sorted, _ := json.Marshal(withoutNulls(v))
	return string(sorted)
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if v[name] = withoutNulls(inner); inner == nil {
				delete(v, name)
			}
		}
		if mask, ok := v["updateMask"].(string); ok {
			v["updateMask"] = slices.Sorted(strings.SplitSeq(mask, ","))
		}
	case []any:
		for i := range v {
			v[i] = withoutNulls(v[i])
		}
	}
	return v
}

// TestAsGRPCGateway sends the same requests to grpc-gateway's runtime and to the gateway. What the
// backend sees and what the client gets is the same, but where a case names a difference: then it is
// not, and docs/grpc-gateway.md has the row that begins so.
func TestAsGRPCGateway(t *testing.T) {
	page, err := os.ReadFile("../docs/grpc-gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	// Where generated code knows its enums, the runtime asks the registry.
	genre := library(t).FindMessage("lib.v1.Book").Descriptor().Fields().ByName("genre").Enum()
	if _, err := protoregistry.GlobalTypes.FindEnumByName(genre.FullName()); err != nil {
		if err := protoregistry.GlobalTypes.RegisterEnum(dynamicpb.NewEnumType(genre)); err != nil {
			t.Fatal(err)
		}
	}
	detailed, err := status.New(codes.NotFound, "no such book").WithDetails(&errdetails.ErrorInfo{Reason: "LOST", Domain: "lib", Metadata: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	const (
		unpopulated = "Default of `EmitUnpopulated: true`"
		unknown     = "Unknown query parameters are ignored"
		unknownBody = "Unknown fields of a body are ignored"
		override    = "`X-HTTP-Method-Override`"
		slashes     = "`%2F` in one segment"
		odd         = "Paths with `//`, `.` and `..`"
		permanent   = "Headers of HTTP itself"
		notAllowed  = "A path with other methods"
		head        = "`HEAD` of a `GET` binding"
		contradicts = "A body may say another thing than the path"
		debug       = "Errors as `{\"code\",\"message\",\"details\"}`"
		mediaTypes  = "Bodies of any media type"
		caching     = "`cache-control` and `age`"
		masks       = "`fields` is an unknown parameter"
		trailing    = "What follows the JSON of a body"
	)
	for _, c := range []struct {
		method, target, body string
		header               http.Header
		answer               string
		err                  error
		answerHeader         metadata.MD
		differs              string
	}{
		{method: "GET", target: "/v1/shelves/1/books/2", answer: `{"name":"shelves/1/books/2","title":"<Emma>","copies":"9007199254740993","tags":["a"],"genre":1}`},
		{method: "GET", target: "/v1/shelves/1/books/2", answer: `{"author":{"displayName":"Jane"},"pages":0}`},
		{method: "GET", target: "/v1/shelves/1/books/2", header: http.Header{"Accept": {"application/json"}}, differs: unpopulated},
		{method: "GET", target: "/v1/isbn/a%20b"},
		{method: "GET", target: "/v1/isbn/%C3%A4:x"},
		{method: "GET", target: "/v1/isbn/a%2Fb", differs: slashes},
		{method: "GET", target: "/v1/files/a/b/c"},
		{method: "GET", target: "/v1/files/a/b/meta"},
		{method: "GET", target: "/v1/typed/7/GENRE_NOVEL/true/2026-01-02T03:04:05Z/5"},
		{method: "GET", target: "/v1/typed/-7/1/false/2026-01-02T03:04:05.5Z/0"},
		{method: "GET", target: "/v1/typed/x/1/false/2026-01-02T03:04:05Z/0"},
		{method: "GET", target: "/v1/typed/1/GENRE_NONE/false/2026-01-02T03:04:05Z/0"},
		{method: "GET", target: "/v1/list/1"},
		{method: "GET", target: "/v1/books?page_size=3&author.displayName=Jane&genres=GENRE_NOVEL&genres=1"},
		{method: "GET", target: "/v1/books?pageSize=3&author.display_name=Jane&author.mentor.birthYear=1700"},
		{method: "GET", target: "/v1/books?labels[a]=1&labels[b]=2"},
		{method: "GET", target: "/v1/books?since=2026-01-02T03:04:05Z&maxAge=1.5s&limit=0&archived=true&price=1e3"},
		{method: "GET", target: "/v1/books?readMask=name,title&cursor=AQI%3D&years=1&years=2"},
		{method: "GET", target: "/v1/books?pageSize=x"},
		{method: "GET", target: "/v1/books?pageSize=1&pageSize=2"},
		{method: "GET", target: "/v1/books?nothing=1", differs: unknown},
		{method: "GET", target: "/v1/books?fields=books", answer: `{"books":[{"title":"x"}],"total":2}`, differs: masks},
		{method: "GET", target: "/lenient/a?nothing=1", header: http.Header{"Accept": {"application/json; enum-numbers=false; proto-names=false"}}},
		{method: "GET", target: "/v1/books:plain", answer: `{"books":[{"title":"x"},{}]}`},
		{method: "GET", target: "/v1/download/x", answer: `{"contentType":"image/png","data":"AQID"}`},
		{method: "POST", target: "/v1/shelves/1/books?book_id=x", body: `{"title":"Emma","author":{"display_name":"Jane"}}`},
		{method: "POST", target: "/v1/shelves/1/books:author", body: `{"displayName":"Jane"}`},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"book":{"title":"Emma"},"bookId":"x"}`},
		{method: "POST", target: "/v1/shelves/1/books:whole"},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"book":{"copies":7,"pages":null}}`},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"book":{"title":7}}`},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"book":`},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"nothing":1}`, differs: unknownBody},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{} {}`, differs: trailing},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"bookId":"x"}`, header: http.Header{"Content-Type": {"text/plain"}}, differs: mediaTypes},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"bookId":"x"}`, header: http.Header{"Content-Type": {"application/json; charset=UTF-8"}}},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"bookId":"x"}`, header: http.Header{"Content-Type": nil}},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"parent":"shelves/1"}`},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"parent":"shelves/2"}`, differs: contradicts},
		{method: "POST", target: "/v1/shelves/1/books?parent=shelves/2", body: `{}`, differs: unknown},
		{method: "PATCH", target: "/v1/shelves/1/books/2", body: `{"title":"Emma","author":{"displayName":"Jane"}}`},
		{method: "PATCH", target: "/v1/shelves/1/books/2?updateMask=title", body: `{"title":"Emma"}`},
		{method: "PATCH", target: "/v1/shelves/1/books/2", body: `{"author":{"mentor":{"birthYear":1700},"displayName":null}}`},
		{method: "PATCH", target: "/v1/shelves/1/books/2", body: `{"author":{}}`},
		{method: "PATCH", target: "/v1/shelves/1/books/2", body: `{"tags":[]}`},
		{method: "PATCH", target: "/v1/shelves/1/books/2", body: `{"title":null,"pages":0}`},
		{method: "PATCH", target: "/v1/shelves/1/books/2", body: `{}`},
		{method: "PATCH", target: "/v1/shelves/1/books/2"},
		{method: "PATCH", target: "/v1/notes/a", body: `{"marks":{"a":1,"b":2},"tags":["x"]}`},
		{method: "PUT", target: "/v1/shelves/1/books/2", body: `{"title":"Emma"}`},
		{method: "DELETE", target: "/v1/shelves/1/books/2"},
		{method: "DELETE", target: "/v1/shelves/1/books/2", body: `{"name":"other"}`},
		{method: "GET", target: "/v1/shelves/1/books/2", body: `{"name":"other"}`},
		{method: "POST", target: "/v1/jobs/7:cancel", body: `{}`},
		{method: "POST", target: "/v1/jobs/7:cancel:now"},
		{method: "POST", target: "/v1/jobs/7:cancel:now", body: `{"reason":"late"}`},
		{method: "POST", target: "/v1/jobs/7:cancel:now?reason=a%26b"},
		{method: "POST", target: "/v1/jobs/7:cancel:now", body: "reason=a%26b", header: http.Header{"Content-Type": {typeForm}}},
		{method: "POST", target: "/v1/shelves/1/books:whole", body: `{"bookId":"x"}`, header: http.Header{"Content-Type": {typeForm}}},
		{method: "POST", target: "/v1/notes:query?name=a", body: "text=b&tags=c&tags=d", header: http.Header{"Content-Type": {typeForm}}},
		{method: "GET", target: "/v1/jobs/7"},
		{method: "GET", target: "/v1/none"},
		{method: "GET", target: "/v1/books/"},
		{method: "GET", target: "/V1/books"},
		{method: "PUT", target: "/v1/books", differs: notAllowed},
		{method: "HEAD", target: "/v1/books", differs: head},
		{method: "GET", target: "/v1//books", differs: odd},
		{method: "GET", target: "/v1/isbn/%2e%2e", differs: odd},
		{method: "POST", target: "/v1/shelves/1/books/2", header: http.Header{"X-Http-Method-Override": {"DELETE"}}, differs: override},
		{
			method: "POST", target: "/v1/books", body: "pageSize=3",
			header: http.Header{"Content-Type": {typeForm}}, differs: override,
		},
		{method: "GET", target: "/v1/shelves/1/books/2", err: detailed.Err()},
		{method: "GET", target: "/v1/shelves/1/books/2", err: status.Error(codes.Code(99), "odd")},
		{method: "GET", target: "/v1/shelves/1/books/2", err: withDebugInfo(t), differs: debug},
		{method: "GET", target: "/v1/shelves/1/books/2", answerHeader: metadata.Pairs("x-a", "1", "x-a", "2", "etag-of", "x")},
		{method: "GET", target: "/v1/shelves/1/books/2", answerHeader: metadata.Pairs("cache-control", "max-age=5"), differs: caching},
		{method: "GET", target: "/v1/shelves/1/books/2", header: http.Header{"X-Custom": {"1"}, "Grpc-Metadata-Tenant": {"1"}}},
		{method: "GET", target: "/v1/shelves/1/books/2", header: http.Header{"Authorization": {"Bearer x"}}, differs: permanent},
		{method: "GET", target: "/v1/shelves/1/books/2", header: http.Header{"Grpc-Timeout": {"7M"}}},
		{method: "GET", target: "/v1/shelves/1/books/2", header: http.Header{"Grpc-Timeout": {"90000m"}}},
		{method: "GET", target: "/v1/shelves/1/books/2", header: http.Header{"Grpc-Timeout": {"soon"}}},
	} {
		name := c.method + " " + c.target + " " + c.body + " " + c.header.Get("Grpc-Timeout")
		if c.err != nil {
			name += status.Code(c.err).String()
		}
		t.Run(name, func(t *testing.T) {
			b := &ggBackend{t: t, answer: c.answer, err: c.err, header: c.answerHeader}
			request := func() *http.Request {
				r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
				r.Header.Set("Accept", "application/json; emit-defaults=true")
				if c.method != "GET" && c.body != "" {
					r.Header.Set("Content-Type", typeJSON)
				}
				maps.Copy(r.Header, c.header)
				return r
			}
			ours := b.ask(b.ours(library(t)), request())
			theirs := b.ask(b.theirs(library(t)), request())
			switch {
			case c.differs == "" && ours != theirs:
				t.Errorf("ours   %+v\ntheirs %+v", ours, theirs)
			case c.differs != "" && ours == theirs:
				t.Errorf("no difference (%s): %+v", c.differs, ours)
			case c.differs != "" && !bytes.Contains(page, []byte("\n| "+c.differs)):
				t.Errorf("the page says nothing about %q: ours %+v theirs %+v", c.differs, ours, theirs)
			}
		})
	}
}

// TestTrailersAsGRPCGateway compares what clients hear of trailers, with `TE: trailers` and without, over HTTP/1.1
// and HTTP/2.
func TestTrailersAsGRPCGateway(t *testing.T) {
	b := &ggBackend{t: t, answer: `{"title":"Emma"}`, trailer: metadata.Pairs("cost", "5", "cost", "6", "place", "x")}
	for i, te := range []string{"", "trailers", "deflate, Trailers", "gzip", "", "trailers"} {
		var said []string
		for _, handler := range []http.Handler{b.ours(library(t)), b.theirs(library(t))} {
			server := httptest.NewUnstartedServer(handler)
			if server.EnableHTTP2 = i > 3; server.EnableHTTP2 {
				server.StartTLS()
			} else {
				server.Start()
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/shelves/1/books/2", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Te": {te}, "Accept": {"application/json; emit-defaults=true"}}
			res, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			announced := slices.Sorted(maps.Keys(res.Trailer)) // before the body: as the header Trailer says
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			server.Close()
			said = append(said, fmt.Sprint(res.ProtoMajor, announced, res.Trailer, sortedJSON(string(body))))
		}
		if said[0] != said[1] || strings.Contains(strings.ToLower(te), "trailers") != strings.Contains(said[0], "Cost:[5 6]") {
			t.Errorf("TE: %s\nours   %s\ntheirs %s", te, said[0], said[1])
		}
	}
}

// TestRawStreamAsGRPCGateway has a difference that docs/grpc-gateway.md tells of: there, a line feed stands
// behind each content.
func TestRawStreamAsGRPCGateway(t *testing.T) {
	snap := library(t)
	m := rpctest.Method(t, snap, "/lib.v1.Archive/Fetch")
	var messages [][]byte
	for _, text := range []string{`{"contentType":"image/png","data":"AQI="}`, `{"data":"Aw=="}`} {
		messages = append(messages, rpctest.Message(t, m.Output.Descriptor(), text))
	}
	rest, _ := NewREST(snap, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		return errors.Join(s.Send(messages[0]), s.Send(messages[1]))
	}, RESTOptions{})
	ours, theirs := httptest.NewRecorder(), httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/v1/archive/x:fetch", nil)
	rest.ServeHTTP(ours, r)

	left := messages
	mux := runtime.NewServeMux()
	_, out := runtime.MarshalerForRequest(mux, r)
	ctx := runtime.NewServerMetadataContext(t.Context(), runtime.ServerMetadata{})
	runtime.ForwardResponseStream(ctx, mux, out, theirs, r, func() (proto.Message, error) {
		if len(left) == 0 {
			return nil, io.EOF
		}
		raw := new(httpbody.HttpBody)
		err := proto.Unmarshal(left[0], raw)
		left = left[1:]
		return raw, err
	})
	if got, want := ours.Body.String(), "\x01\x02\x03"; got != want || strings.ReplaceAll(theirs.Body.String(), "\n", "") != want {
		t.Errorf("ours %q, theirs %q", got, theirs.Body)
	}
	if ours.Header().Get("Content-Type") != theirs.Header().Get("Content-Type") {
		t.Errorf("ours %v, theirs %v", ours.Header(), theirs.Header())
	}
}

func withDebugInfo(t *testing.T) error {
	st, err := status.New(codes.Internal, "broken").WithDetails(&errdetails.DebugInfo{Detail: "line 7"})
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

// TestStreamAsGRPCGateway compares the envelopes of streams, byte by byte but for the space that
// protojson puts in at random.
func TestStreamAsGRPCGateway(t *testing.T) {
	snap := library(t)
	m := rpctest.Method(t, snap, "/lib.v1.Old/Watch")
	failure, err := status.New(codes.DataLoss, "torn").WithDetails(&errdetails.ErrorInfo{Reason: "A", Domain: "b", Metadata: map[string]string{"c": "d"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]error{"end": nil, "error": failure.Err()} {
		for _, texts := range [][]string{{}, {`{"text":"a","number":"1"}`, `{"text":"b","number":"2"}`}} {
			var messages [][]byte
			for _, text := range texts {
				messages = append(messages, rpctest.Message(t, m.Output.Descriptor(), text))
			}
			rest, _ := NewREST(snap, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
				for _, m := range messages {
					if err := s.Send(m); err != nil {
						return err
					}
				}
				return end
			}, RESTOptions{})
			ours, theirs := httptest.NewRecorder(), httptest.NewRecorder()
			rest.ServeHTTP(ours, httptest.NewRequest(http.MethodGet, "/old/x", nil))

			left := messages
			mux := runtime.NewServeMux()
			r := httptest.NewRequest(http.MethodGet, "/old/x", nil)
			_, out := runtime.MarshalerForRequest(mux, r)
			ctx := runtime.NewServerMetadataContext(t.Context(), runtime.ServerMetadata{})
			runtime.ForwardResponseStream(ctx, mux, out, theirs, r, func() (proto.Message, error) {
				if len(left) == 0 {
					return nil, cmp.Or(end, io.EOF)
				}
				next := decode(t, m.Output.Descriptor(), left[0])
				left = left[1:]
				return next, nil
			})
			sameKind := ours.Body.Len() == 0 || ours.Header().Get("Content-Type") == theirs.Header().Get("Content-Type")
			if ours.Code != theirs.Code || !sameKind || sortedLines(ours.Body.String()) != sortedLines(theirs.Body.String()) {
				t.Errorf("%s of %d:\nours   %d %v %s\ntheirs %d %v %s", name, len(texts), ours.Code, ours.Header(), ours.Body, theirs.Code, theirs.Header(), theirs.Body)
			}
		}
	}
}

func sortedLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(sortedJSON(strings.TrimSuffix(line, "\n")) + "\n")
	}
	return b.String()
}
