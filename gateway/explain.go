package gateway

import (
	"bytes"
	"encoding/json"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/auth"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/schema"
)

// explain says how an operation, a request or a call would be carried out.
func (v *views) explain(in *adminv1.ExplainRequest) (*adminv1.ExplainResponse, error) {
	said := 0
	for _, text := range []string{in.GetDocument(), in.GetRequest(), in.GetMethod()} {
		if text != "" {
			said++
		}
	}
	switch {
	case said != 1:
		return nil, status.Error(codes.InvalidArgument, "give one of document, request and method")
	case in.GetRequest() != "":
		return v.explainRequest(in.GetRequest())
	case in.GetMethod() != "":
		return v.explainMethod(in.GetMethod())
	}
	e, err := v.graph.Explain(in.GetDocument(), in.GetOperation())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	out := &adminv1.ExplainResponse{MaxCalls: int32(e.MaxCalls)} //nolint:gosec // small
	for _, s := range e.Steps {
		call := v.explained(s.Method)
		call.Wave, call.Keys, call.Paths = int32(s.Wave), int32(s.Keys), s.Paths //nolint:gosec // small
		out.Calls = append(out.Calls, call)
	}
	return out, nil
}

func (v *views) explainRequest(request string) (*adminv1.ExplainResponse, error) {
	verb, path, _ := strings.Cut(strings.TrimSpace(request), " ")
	path, _, _ = strings.Cut(strings.TrimSpace(path), "?")
	r, ok := v.rest.Match(verb, path)
	if !ok {
		return nil, status.Errorf(codes.NotFound, "no route takes %s %s", verb, path)
	}
	out := v.one(r.Method)
	out.Route = r.Verb + " " + r.Template
	return out, nil
}

func (v *views) explainMethod(name string) (*adminv1.ExplainResponse, error) {
	m := MethodNamed(v.snapshot, name)
	if m == nil {
		return nil, status.Errorf(codes.NotFound, "no method %s is served", name)
	}
	return v.one(m), nil
}

func (v *views) one(m *schema.Method) *adminv1.ExplainResponse {
	call := v.explained(m)
	call.Wave = 1
	return &adminv1.ExplainResponse{Calls: []*adminv1.ExplainedCall{call}, MaxCalls: 1}
}

// MethodNamed finds a method by `pkg.Service/Method`, with or without a slash before it, or
// by its full name; nil where there is none.
func MethodNamed(s *schema.Snapshot, name string) *schema.Method {
	path := "/" + strings.TrimPrefix(strings.TrimSpace(name), "/")
	if end := strings.LastIndexByte(path, '.'); end > 0 && strings.Count(path, "/") == 1 {
		path = path[:end] + "/" + path[end+1:]
	}
	return s.Method(path)
}

// explained says which policies hold for a method and for the fields of its answers, and where each was said.
func (v *views) explained(m *schema.Method) *adminv1.ExplainedCall {
	call := &adminv1.ExplainedCall{Method: m.FullName(), Backend: m.Service.Backend.Name}
	kinds := (*policyv1.Policy)(nil).ProtoReflect().Descriptor().Fields()
	for i := range kinds.Len() {
		kind := kinds.Get(i)
		if !m.Policy.ProtoReflect().Has(kind) {
			continue
		}
		said := m.Said[kind.Name()]
		call.Policies = append(call.Policies, &adminv1.ExplainedPolicy{
			Kind: string(kind.Name()), Said: CompactJSON(m.Policy.ProtoReflect().Get(kind).Message().Interface()),
			Origin: origins[said.By], Selector: said.Selector, Position: said.Position,
		})
		if kind.Name() == "authorize" && said.By >= schema.ByOperator {
			call.Policies = append(call.Policies, narrowing(m)...)
		}
	}
	for _, f := range v.access.Fields(m) {
		said := v.snapshot.FieldSaid(f.Descriptor())
		call.Fields = append(call.Fields, &adminv1.ExplainedField{
			Field: string(f.Descriptor().FullName()), Policy: auth.FieldPolicy(f.Descriptor()),
			Origin: origins[said.By], Position: said.Position,
		})
	}
	return call
}

var origins = map[schema.Origin]adminv1.PolicyOrigin{
	schema.ByService:      adminv1.PolicyOrigin_POLICY_ORIGIN_SERVICE,
	schema.ByMethod:       adminv1.PolicyOrigin_POLICY_ORIGIN_ELEMENT,
	schema.ByField:        adminv1.PolicyOrigin_POLICY_ORIGIN_ELEMENT,
	schema.ByOperator:     adminv1.PolicyOrigin_POLICY_ORIGIN_CONFIGURATION,
	schema.ByRegistration: adminv1.PolicyOrigin_POLICY_ORIGIN_ADMIN,
}

// narrowing is what a .proto file says of authorize beside the operator: both must hold.
func narrowing(m *schema.Method) []*adminv1.ExplainedPolicy {
	option, origin, d := m.Options.GetPolicy().GetAuthorize(), schema.ByMethod, protoreflect.Descriptor(m.Descriptor)
	if option == nil {
		option, origin, d = m.Service.Options.GetPolicy().GetAuthorize(), schema.ByService, m.Service.Descriptor
	}
	if option == nil {
		return nil
	}
	return []*adminv1.ExplainedPolicy{{
		Kind: "authorize", Said: CompactJSON(option), Origin: origins[origin], Selector: string(d.FullName()), Position: schema.PositionOf(d),
	}}
}

// CompactJSON is ProtoJSON without the spaces that protojson puts in at random.
func CompactJSON(m proto.Message) string {
	text, err := protojson.Marshal(m)
	if err != nil {
		return "?"
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return string(text)
	}
	return b.String()
}
