package resilience

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// maxViolations bounds what one error tells of a request.
const maxViolations = 100

// Validation checks the requests of the methods of one snapshot whose policy wants it:
// that fields with google.api.field_behavior REQUIRED are there, which is seen on wire
// bytes, and the rules of protovalidate, for which only the requests of methods that have any
// are decoded. What is wrong is INVALID_ARGUMENT with a google.rpc.BadRequest. It is immutable.
type Validation struct {
	methods map[*schema.Method]*methodRules
}

// methodRules are what is checked of the requests of one method.
type methodRules struct {
	required *requiredFields         // nil: none
	mask     protowire.Number        // of the request's update mask, or 0
	rules    protovalidate.Validator // nil: there are none
	costs    ruleCosts               // of the rules
	broken   bool                    // rules that cannot be compiled: no request is valid
}

var errUncheckable = status.Error(codes.Internal, "the request cannot be checked: a rule for it is broken")

// CompileValidation compiles the rules of a snapshot. A method with a rule that cannot be
// compiled is a problem, and its calls fail.
func CompileValidation(s *schema.Snapshot) (*Validation, []schema.Problem) {
	v := &Validation{methods: make(map[*schema.Method]*methodRules)}
	required := make(requiredTypes)
	var problems []schema.Problem
	for _, b := range s.Backends {
		compiled, found := compileRules(b)
		problems = append(problems, found...)
		for m, rules := range compiled {
			rules.required, rules.mask = required.of(m.Input.Descriptor()), updateMask(m.Input.Descriptor())
			if rules.required != nil || rules.rules != nil || rules.broken {
				v.methods[m] = rules
			}
		}
	}
	return v, problems
}

// NeedsMessage reports whether the requests of a method are decoded to be checked.
func (v *Validation) NeedsMessage(m *schema.Method) bool {
	r := v.methods[m]
	return r != nil && r.rules != nil
}

// Middleware refuses requests that are not valid. Those of a client stream are checked as
// they come, and the first that is not valid ends the call.
func (v *Validation) Middleware(next rpc.Handler) rpc.Handler {
	if len(v.methods) == 0 {
		return next
	}
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		r := v.methods[c.Method]
		switch {
		case r == nil:
			return next(ctx, c, s)
		case c.Method.ClientStreams:
			return next(ctx, c, &validated{Stream: s, ctx: ctx, method: c.Method, rules: r})
		}
		if err := r.check(ctx, c.Request, c.Decoded); err != nil {
			return err
		}
		return next(ctx, c, s)
	}
}

// validated is the stream of a client whose messages are checked.
type validated struct {
	rpc.Stream
	ctx    context.Context //nolint:containedctx // of this one call
	method *schema.Method
	rules  *methodRules
}

func (v *validated) Recv() ([]byte, error) {
	m, err := v.Stream.Recv()
	if err != nil {
		return nil, err
	}
	return m, v.rules.check(v.ctx, m, func() (*dynamicpb.Message, error) { return rpc.DecodeRequest(v.method, m) })
}

// check returns an INVALID_ARGUMENT that says all that is wrong.
func (r *methodRules) check(ctx context.Context, request []byte, decoded func() (*dynamicpb.Message, error)) error {
	if r.broken {
		return errUncheckable
	}
	var found []*errdetails.BadRequest_FieldViolation
	if r.required != nil {
		missing, err := r.required.missing(request, r.mask)
		if err != nil {
			return err
		}
		found = missing
	}
	if r.rules != nil {
		m, err := decoded()
		if err != nil {
			return err
		}
		steps, parts := r.costs.of(m)
		if steps > maxRuleSteps {
			return errTooCostly
		}
		broken, err := brokenRules(r.validate(ctx, request, m, parts))
		if ctx.Err() != nil {
			return rpc.ContextError(ctx)
		}
		if err != nil {
			return err
		}
		found = append(found, broken...)
	}
	if len(found) == 0 {
		return nil
	}
	return invalidRequest(found)
}

// From so many bytes on a request is checked with an eye on the call's context: smaller ones are done before anyone
// could look. From so many parts on only the first violation is told, since each of them takes a kilobyte.
const (
	largeRequest = 64 << 10
	manyParts    = 10 * maxViolations
)

// validate checks a message, whose rules see no end of the call by themselves: once it is over, none
// of the remaining ones is looked at.
func (r *methodRules) validate(ctx context.Context, request []byte, m proto.Message, parts float64) error {
	var options []protovalidate.ValidationOption
	if len(request) >= largeRequest {
		options = append(options, protovalidate.WithFilter(protovalidate.FilterFunc(
			func(protoreflect.Message, protoreflect.Descriptor) bool { return ctx.Err() == nil })))
	}
	if parts >= manyParts {
		options = append(options, protovalidate.WithFailFast())
	}
	return r.rules.Validate(m, options...)
}

// brokenRules takes apart what protovalidate says.
func brokenRules(err error) ([]*errdetails.BadRequest_FieldViolation, error) {
	if err == nil {
		return nil, nil
	}
	invalid, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return nil, errUncheckable // an expression failed on this request
	}
	var found []*errdetails.BadRequest_FieldViolation
	for _, v := range invalid.Violations {
		text := v.Proto.GetMessage()
		if text == "" {
			text = v.Proto.GetRuleId()
		}
		found = append(found, &errdetails.BadRequest_FieldViolation{
			Field:       shortPath(protovalidate.FieldPathString(v.Proto.GetField())),
			Description: shortened(text),
			Reason:      reasonOf(shortened(v.Proto.GetRuleId())),
		})
		if len(found) == manyParts {
			break
		}
	}
	return found, nil
}

// maxViolationText bounds each text of a violation, in bytes: a rule can make one of the whole request, and a key of a
// map can be as long.
const maxViolationText = 1 << 10

func shortened(text string) string {
	if len(text) <= maxViolationText {
		return text
	}
	return strings.ToValidUTF8(text[:maxViolationText], "") + "…"
}

// shortPath is the path of a field, or of the map that the field is in.
func shortPath(path string) string {
	if len(path) > maxViolationText {
		path, _, _ = strings.Cut(path, "[")
	}
	return shortened(path)
}

// reasonOf writes the id of a rule, such as `string.min_len`, as google.rpc wants a reason.
func reasonOf(rule string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '_'
		}
	}, rule)
}

// invalidRequest lists violations in order of their fields: that of maps has no other.
func invalidRequest(found []*errdetails.BadRequest_FieldViolation) error {
	slices.SortStableFunc(found, func(a, b *errdetails.BadRequest_FieldViolation) int {
		return cmp.Compare(a.GetField(), b.GetField())
	})
	if len(found) > maxViolations {
		found = found[:maxViolations]
	}
	text := "the request is not valid"
	if first := found[0]; first.GetField() != "" {
		text = fmt.Sprintf("the request is not valid: %s: %s", first.GetField(), first.GetDescription())
	}
	st, err := status.New(codes.InvalidArgument, text).WithDetails(&errdetails.BadRequest{FieldViolations: found})
	if err != nil {
		return status.Error(codes.InvalidArgument, text)
	}
	return st.Err()
}
