package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"cel.dev/cel-go/cel"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// Bounds of one expression: of its text in bytes, and of what one evaluation may
// cost, in CEL's units, of which a comparison takes about one.
const (
	maxExpression = 8 << 10
	maxCost       = 100_000
	interruptions = 1000 // steps of a loop between two looks at the context
)

// principalVariables are what every expression knows.
var principalVariables = []cel.EnvOption{
	cel.Variable("principal.subject", cel.StringType),
	cel.Variable("principal.issuer", cel.StringType),
	cel.Variable("principal.authenticator", cel.StringType),
	cel.Variable("principal.scopes", cel.ListType(cel.StringType)),
	cel.Variable("principal.roles", cel.ListType(cel.StringType)),
	cel.Variable("principal.claims", cel.MapType(cel.StringType, cel.DynType)),
	cel.Variable("principal.anonymous", cel.BoolType),
}

// callVariables are what rules about methods know besides.
var callVariables = []cel.EnvOption{
	cel.Variable("method.path", cel.StringType),
	cel.Variable("method.service", cel.StringType),
	cel.Variable("method.name", cel.StringType),
	cel.Variable("method.backend", cel.StringType),
	cel.Variable("door", cel.StringType),
}

// expression is a compiled CEL expression that is true or false. It is immutable
// and safe for concurrent use.
type expression struct {
	program cel.Program
	// readsRequest: the request must be decoded for it.
	readsRequest bool
}

// CheckUnless reports what is wrong with an expression about the principal alone.
func CheckUnless(text string) error {
	_, err := new(environments).unless(text)
	return err
}

// CheckRule reports what is wrong with an expression about calls, whatever the backends'
// types are. Names that are not ours may be theirs.
func CheckRule(text string) error {
	if len(text) > maxExpression {
		return fmt.Errorf("an expression may have %d bytes", maxExpression)
	}
	env, err := cel.NewEnv(append(append([]cel.EnvOption{cel.Variable("request", cel.DynType)}, principalVariables...), callVariables...)...)
	if err != nil {
		return err
	}
	checked, issues := env.Compile(text)
	for _, e := range issues.Errors() {
		name := undeclared.FindStringSubmatch(e.Message)
		if name == nil || slices.Contains(ourNames, name[1]) {
			return schema.ExpressionFault(issues.Err())
		}
	}
	if issues.Err() == nil && !checked.OutputType().IsExactType(cel.BoolType) && !checked.OutputType().IsExactType(cel.DynType) {
		return fmt.Errorf("the expression is %s, and must be true or false", checked.OutputType())
	}
	return nil
}

var (
	undeclared = regexp.MustCompile(`^undeclared reference to '(\w+)`)
	ourNames   = []string{"principal", "method", "door", "request"} // of which all is known
)

// environments makes what expressions are compiled in: one for each backend, whose
// message types they may name, and one for rules about fields.
type environments struct {
	backends map[*schema.Backend]*cel.Env
	fields   *cel.Env
}

func (e *environments) ofBackend(b *schema.Backend) (*cel.Env, error) {
	if env := e.backends[b]; env != nil {
		return env, nil
	}
	files, ok := b.Files.(*protoregistry.Files)
	if !ok {
		return nil, errors.New("the backend's files cannot be read")
	}
	env, err := cel.NewEnv(append(append([]cel.EnvOption{cel.TypeDescs(files)}, principalVariables...), callVariables...)...)
	if err != nil {
		return nil, err
	}
	if e.backends == nil {
		e.backends = make(map[*schema.Backend]*cel.Env)
	}
	e.backends[b] = env
	return env, nil
}

// rule compiles an expression about the calls of a method.
func (e *environments) rule(m *schema.Method, text string) (*expression, error) {
	env, err := e.ofBackend(m.Service.Backend)
	if err != nil {
		return nil, err
	}
	if !m.ClientStreams {
		env, err = env.Extend(cel.Variable("request", cel.ObjectType(string(m.Input.FullName()))))
		if err != nil {
			return nil, err
		}
	}
	return compileExpression(env, text)
}

// unless compiles an expression about the principal alone.
func (e *environments) unless(text string) (*expression, error) {
	if e.fields == nil {
		env, err := cel.NewEnv(principalVariables...)
		if err != nil {
			return nil, err
		}
		e.fields = env
	}
	return compileExpression(e.fields, text)
}

func compileExpression(env *cel.Env, text string) (*expression, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("an expression may have %d bytes", maxExpression)
	}
	checked, issues := env.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, schema.ExpressionFault(err)
	}
	if !checked.OutputType().IsExactType(cel.BoolType) {
		return nil, fmt.Errorf("the expression is %s, and must be true or false", checked.OutputType())
	}
	program, err := env.Program(checked,
		cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost), cel.InterruptCheckFrequency(interruptions))
	if err != nil {
		return nil, err
	}
	x := &expression{program: program}
	for _, reference := range checked.NativeRep().ReferenceMap() {
		x.readsRequest = x.readsRequest || reference.Name == "request"
	}
	return x, nil
}

// holds evaluates the expression. An error says that it could not be computed, and
// then it does not hold; that of a request that cannot be decoded is a status, as of [rpc.Call.Decoded].
func (x *expression) holds(ctx context.Context, v *variables) (bool, error) {
	if x.readsRequest {
		if _, err := v.call.Decoded(); err != nil {
			return false, err
		}
	}
	result, _, err := x.program.ContextEval(ctx, v)
	if err != nil {
		return false, err
	}
	holds, ok := result.Value().(bool)
	return ok && holds, nil
}

// variables resolves the names in an expression for one call. Only what an
// expression reads is looked up.
type variables struct {
	principal *rpc.Principal // nil: anonymous
	call      *rpc.Call      // nil in expressions about fields
}

var _ cel.Activation = (*variables)(nil)

var nobody = &rpc.Principal{}

// ResolveName implements [cel.Activation].
func (v *variables) ResolveName(name string) (any, bool) {
	p := v.principal
	if p == nil {
		p = nobody
	}
	switch name {
	case "principal.subject":
		return p.Subject, true
	case "principal.issuer":
		return p.Issuer, true
	case "principal.authenticator":
		return p.Authenticator, true
	case "principal.scopes":
		return p.Scopes, true
	case "principal.roles":
		return p.Roles, true
	case "principal.claims":
		return p.Claims, true
	case "principal.anonymous":
		return v.principal == nil, true
	}
	if v.call == nil {
		return nil, false
	}
	return v.resolveCall(name)
}

func (v *variables) resolveCall(name string) (any, bool) {
	m := v.call.Method
	switch name {
	case "method.path":
		return m.Path, true
	case "method.service":
		return m.Service.FullName(), true
	case "method.name":
		return string(m.Descriptor.Name()), true
	case "method.backend":
		return m.Service.Backend.Name, true
	case "door":
		return string(v.call.Door), true
	case "request":
		message, err := v.call.Decoded()
		return protoreflect.ProtoMessage(message), err == nil
	}
	return nil, false
}

// Parent implements [cel.Activation].
func (*variables) Parent() cel.Activation { return nil }
