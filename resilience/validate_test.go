package resilience

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

var validateEnabled = &policyv1.Policy{Validate: &policyv1.Validate{Enabled: new(true)}}

// validateCases compiles the schema of testdata/validate.txtar.
func validateCases(t testing.TB) (snap *schema.Snapshot, requests string) {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/validate.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return rpctest.CompileWith(t, validateEnabled, map[string]string{"a.proto": string(archive.Files[0].Data)}),
		string(archive.Files[1].Data)
}

// TestValidate checks the requests of testdata/validate.txtar, as the whole request of
// a call and as a message of a client stream.
func TestValidate(t *testing.T) {
	snap, text := validateCases(t)
	v, problems := CompileValidation(snap)
	if len(problems) != 1 || problems[0].Element != "p.S.Break" {
		t.Errorf("problems %v", problems)
	}
	var got strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, " ") {
			continue
		}
		got.WriteString(line)
		name, json, _ := strings.Cut(strings.TrimSpace(line), " ")
		m := rpctest.Method(t, snap, "/p.S/"+name)
		request := rpctest.Message(t, m.Input.Descriptor(), json)
		unary := v.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { return nil })(
			t.Context(), &rpc.Call{Method: m, Request: request}, discard{})
		streamed := *m
		streamed.ClientStreams = true
		v.methods[&streamed] = v.methods[m]
		inStream := validateStream(t, v, &streamed, request)
		if explain(unary) != explain(inStream) {
			t.Errorf("%s: in a stream %v", line, inStream)
		}
		got.WriteString(explain(unary))
	}
	if got.String() != text {
		t.Errorf("got\n%s\nwant\n%s", got.String(), text)
	}
}

// validateStream sends a request as the second message of a stream.
func validateStream(t *testing.T, v *Validation, m *schema.Method, request []byte) error {
	t.Helper()
	client := rpctest.NewClient(t.Context())
	client.Requests <- request
	close(client.Requests)
	err := v.Middleware(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		for {
			got, err := s.Recv()
			if err != nil {
				return err
			}
			if !bytes.Equal(got, request) {
				t.Errorf("the message became %x", got)
			}
		}
	})(t.Context(), &rpc.Call{Method: m}, client)
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func explain(err error) string {
	st := status.Convert(err)
	if st.Code() != codes.InvalidArgument {
		if err == nil {
			return ""
		}
		return "  " + strings.ToUpper(st.Code().String()) + "\n"
	}
	var b strings.Builder
	for _, d := range st.Details() {
		for _, v := range d.(*errdetails.BadRequest).GetFieldViolations() {
			fmt.Fprintf(&b, "  %s: %s\n", v.GetField(), v.GetDescription())
			if v.GetReason() == "" || strings.ToUpper(v.GetReason()) != v.GetReason() {
				fmt.Fprintf(&b, "    reason %q\n", v.GetReason())
			}
		}
	}
	return b.String()
}

// TestValidateDecodesWhatNeedsIt leaves requests alone that have no rule of protovalidate.
func TestValidateDecodesWhatNeedsIt(t *testing.T) {
	snap, _ := validateCases(t)
	v, _ := CompileValidation(snap)
	for name, want := range map[string]bool{"AddBook": false, "UpdateBook": false, "Say": false, "Check": true} {
		if got := v.NeedsMessage(rpctest.Method(t, snap, "/p.S/"+name)); got != want {
			t.Errorf("%s needs a message: %v", name, got)
		}
	}
	off := rpctest.Compile(t, map[string]string{"a.proto": `
		edition = "2023";
		package p;
		import "google/api/field_behavior.proto";
		message M { string a = 1 [(google.api.field_behavior) = REQUIRED]; }
		service S { rpc Get(M) returns (M); }`})
	if v, _ := CompileValidation(off); len(v.methods) > 0 {
		t.Error("requests are checked though no policy says so")
	}
}

// TestValidateBadBytes refuses what is no message, however deep it lies.
func TestValidateBadBytes(t *testing.T) {
	snap, _ := validateCases(t)
	v, _ := CompileValidation(snap)
	h := v.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { return nil })
	var deep []byte
	for range 10_000 {
		deep = protowire.AppendBytes(protowire.AppendTag(nil, 8, protowire.BytesType), deep)
		if len(deep) > 1<<16 {
			break
		}
	}
	for name, request := range map[string][]byte{
		"cut off": {0x0a, 5, 'x'}, "no tag": {0xff}, "field 0": {0x00, 0x01}, "deep": deep,
	} {
		for _, method := range []string{"AddBook", "Check"} {
			err := h(t.Context(), &rpc.Call{Method: rpctest.Method(t, snap, "/p.S/"+method), Request: request}, discard{})
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("%s, %s: %v", name, method, err)
			}
		}
	}
}

// FuzzRequired compares the walk over wire bytes with one over a decoded message.
func FuzzRequired(f *testing.F) {
	snap, text := validateCases(f)
	method := rpctest.Method(f, snap, "/p.S/AddBook")
	md := method.Input.Descriptor()
	required := make(requiredTypes).of(md)
	for line := range strings.Lines(text) {
		if json, ok := strings.CutPrefix(line, "AddBook "); ok {
			f.Add(rpctest.Message(f, md, json))
		}
	}
	f.Add([]byte{0x1a, 0, 0x1a, 3, 0x0a, 1, 'n'})
	f.Fuzz(func(t *testing.T, request []byte) {
		m, err := rpc.DecodeRequest(method, request)
		if err != nil {
			return
		}
		found, err := required.missing(request, 0)
		if err != nil {
			return // such as a message as a number, which decoders keep as unknown
		}
		var got []string
		for _, v := range found {
			got = append(got, v.GetField())
		}
		var want []string
		plainMissing(m, "", &want)
		slices.Sort(got)
		got, want = slices.Compact(got), want[:min(len(want), maxViolations)]
		slices.Sort(want)
		if len(found) < maxViolations && !slices.Equal(got, want) {
			t.Errorf("%x lacks %q, found %q", request, want, got)
		}
	})
}

func plainMissing(m protoreflect.Message, path string, missing *[]string) {
	for i := range m.Descriptor().Fields().Len() {
		fd := m.Descriptor().Fields().Get(i)
		at := path + string(fd.Name())
		if isRequired(fd) && !m.Has(fd) {
			*missing = append(*missing, at)
		}
		switch {
		case fd.Message() == nil || !m.Has(fd):
		case fd.IsMap():
			m.Get(fd).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				key := k.String()
				if fd.MapKey().Kind() == protoreflect.StringKind {
					key = fmt.Sprintf("%q", key)
				}
				plainMissing(v.Message(), at+"["+key+"].", missing)
				return true
			})
		case fd.IsList():
			for i := range m.Get(fd).List().Len() {
				plainMissing(m.Get(fd).List().Get(i).Message(), fmt.Sprintf("%s[%d].", at, i), missing)
			}
		default:
			plainMissing(m.Get(fd).Message(), at+".", missing)
		}
	}
}

// BenchmarkValidateRequired is the cost of a check on wire bytes.
func BenchmarkValidateRequired(b *testing.B) {
	benchmarkValidate(b, "AddBook", `{"title":"t","shelf":"s","author":{"name":"n"},"pages":[1,2,3]}`)
}

// BenchmarkValidateRules is the cost of a check for which the request is decoded.
func BenchmarkValidateRules(b *testing.B) {
	benchmarkValidate(b, "Check", `{"id":"abc","a":"x","must":"m","lines":[{"from":1,"to":2}]}`)
}

func benchmarkValidate(b *testing.B, method, json string) {
	snap, _ := validateCases(b)
	v, _ := CompileValidation(snap)
	m := rpctest.Method(b, snap, "/p.S/"+method)
	request := rpctest.Message(b, m.Input.Descriptor(), json)
	h := v.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { return nil })
	b.ReportAllocs()
	for b.Loop() {
		if err := h(b.Context(), &rpc.Call{Method: m, Request: request}, discard{}); err != nil {
			b.Fatal(err)
		}
	}
}
