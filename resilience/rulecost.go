package resilience

import (
	"fmt"
	"math"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// protovalidate evaluates expressions without a bound on what they cost and without a context. Most take
// time in proportion to the request, whose size is bounded. One that compares each element of a list
// with each, as in
//
//	this.books.all(a, this.books.exists_one(b, a.name == b.name))
//
// takes the square of it. So what an expression costs is seen before, in powers of what the
// request has in it, and a request that would cost too much is refused without being checked.

// Bounds of expressions: how many steps the ones of a request may take where loops multiply, and how long
// the text of one may be, in bytes.
const (
	maxRuleSteps = 1 << 18
	maxRuleText  = 8 << 10
)

var errTooCostly = status.Error(codes.ResourceExhausted, "the request has too many elements for the rules that it is checked by")

// ruleCost is how the steps of an expression grow with the request: at most factor times the elements of
// lists and maps in it, or its bytes where text is searched, to the power of exponent.
type ruleCost struct {
	exponent int
	factor   float64
	bytes    bool
}

func (c ruleCost) max(other ruleCost) ruleCost {
	return ruleCost{max(c.exponent, other.exponent), max(c.factor, other.factor), c.bytes || other.bytes}
}

// allows reports whether a request may be checked.
func (c ruleCost) allows(request []byte, m protoreflect.Message) bool {
	if c.exponent < 2 {
		return true
	}
	size := len(request)
	if !c.bytes {
		size = elementsOf(m)
	}
	return c.factor*math.Pow(float64(size), float64(c.exponent)) <= maxRuleSteps
}

// elementsOf counts the elements of all lists and maps in a message.
func elementsOf(m protoreflect.Message) int {
	n := 0
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			n += v.Map().Len()
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					n += elementsOf(v.Message())
					return true
				})
			}
		case fd.IsList():
			n += v.List().Len()
			for i := 0; fd.Message() != nil && i < v.List().Len(); i++ {
				n += elementsOf(v.List().Get(i).Message())
			}
		case fd.Message() != nil:
			n += elementsOf(v.Message())
		}
		return true
	})
	return n
}

// costOf returns what the expressions in the options of some descriptors cost, or which of them cost too
// much whatever the request.
func costOf(all []protoreflect.Descriptor) (cost ruleCost, err error) {
	env, err := cel.NewEnv()
	if err != nil {
		return cost, err
	}
	for _, d := range all {
		for _, text := range expressionsOf(d.Options()) {
			one, err := costOfText(env, text)
			if err != nil {
				return cost, fmt.Errorf("%s: %w", d.FullName(), err)
			}
			cost = cost.max(one)
		}
	}
	return cost, nil
}

// expressionsOf returns all expressions in rules of buf.validate that options have.
func expressionsOf(options proto.Message) (found []string) {
	options.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Message() != nil && fd.Message().ParentFile().Package() == "buf.validate" {
			found = append(found, expressionsIn(fd, v)...)
		}
		return true
	})
	return found
}

func expressionsIn(fd protoreflect.FieldDescriptor, v protoreflect.Value) (found []string) {
	if fd.IsList() {
		for i := range v.List().Len() {
			found = append(found, expressionsInOne(fd, v.List().Get(i))...)
		}
		return found
	}
	return expressionsInOne(fd, v)
}

func expressionsInOne(fd protoreflect.FieldDescriptor, v protoreflect.Value) (found []string) {
	switch {
	case fd.Name() == "expression" && fd.ContainingMessage().FullName() == "buf.validate.Rule", fd.Name() == "cel_expression":
		return []string{v.String()}
	case fd.Message() == nil || fd.IsMap():
		return nil
	}
	v.Message().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		found = append(found, expressionsIn(fd, v)...)
		return true
	})
	return found
}

// costOfText returns what an expression costs. One that cannot be parsed costs nothing: protovalidate says
// what is wrong with it.
func costOfText(env *cel.Env, text string) (ruleCost, error) {
	if len(text) > maxRuleText {
		return ruleCost{}, fmt.Errorf("an expression may have %d bytes", maxRuleText)
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return ruleCost{}, nil //nolint:nilerr // see above
	}
	l := loops{cost: ruleCost{factor: 1}}
	l.walk(parsed.NativeRep().Expr(), loop{factor: 1})
	if l.cost.factor > maxRuleSteps {
		return ruleCost{}, fmt.Errorf("the loops of an expression take %.0f steps, whatever the request", l.cost.factor)
	}
	return l.cost, nil
}

// loops looks for the loops of an expression that multiply.
type loops struct{ cost ruleCost }

// loop is what a part of an expression is in.
type loop struct {
	variables []string // of the innermost loop
	exponent  int
	factor    float64
}

// within returns the loop over something. What belongs to the element of the loop around it is
// looked at once in all: only a loop over something else multiplies.
func (l loop) within(over ast.Expr) loop {
	if n := literalLength(over); n >= 0 {
		l.factor *= float64(max(n, 1))
		return l
	}
	if l.exponent == 0 || !l.owns(over) {
		l.exponent++
	}
	return l
}

// owns reports whether all that an expression reads is of the innermost loop's element.
func (l loop) owns(e ast.Expr) bool {
	owned, known := true, slices.Clone(l.variables)
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.ComprehensionKind: // its own variables are of what it loops over
			c := e.AsComprehension()
			known = append(known, c.IterVar(), c.IterVar2(), c.AccuVar())
		case ast.IdentKind:
			owned = owned && slices.Contains(known, e.AsIdent())
		}
	}))
	return owned
}

// literalLength is how many elements a list or a map has that is written out, or -1.
func literalLength(e ast.Expr) int {
	switch e.Kind() {
	case ast.ListKind:
		return e.AsList().Size()
	case ast.MapKind:
		return e.AsMap().Size()
	default:
		return -1
	}
}

func (l *loops) note(in loop, bytes bool) {
	l.cost = l.cost.max(ruleCost{in.exponent, in.factor, bytes})
}

func (l *loops) walk(e ast.Expr, in loop) {
	switch e.Kind() {
	case ast.CallKind:
		l.walkCall(e.AsCall(), in)
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		l.walk(c.IterRange(), in)
		l.walk(c.AccuInit(), in)
		inside := in.within(c.IterRange())
		l.note(inside, false)
		inside.variables = []string{c.IterVar()}
		if c.HasIterVar2() {
			inside.variables = append(inside.variables, c.IterVar2())
		}
		l.walk(c.LoopCondition(), inside)
		l.walk(c.LoopStep(), inside)
		l.walk(c.Result(), in)
	case ast.SelectKind:
		l.walk(e.AsSelect().Operand(), in)
	case ast.ListKind:
		for _, one := range e.AsList().Elements() {
			l.walk(one, in)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			l.walk(entry.AsMapEntry().Key(), in)
			l.walk(entry.AsMapEntry().Value(), in)
		}
	case ast.StructKind:
		for _, f := range e.AsStruct().Fields() {
			l.walk(f.AsStructField().Value(), in)
		}
	}
}

// constantTime are the calls that take about as long for large arguments as for small ones; those that
// compare or join texts are quick enough to count as such. All others count as a loop over their arguments.
var constantTime = map[string]bool{
	"_&&_": true, "_||_": true, "!_": true, "_?_:_": true, "@not_strictly_false": true,
	"_<_": true, "_<=_": true, "_>_": true, "_>=_": true,
	"_==_": true, "_!=_": true, "_+_": true, "startsWith": true, "endsWith": true,
	"_-_": true, "-_": true, "_*_": true, "_/_": true, "_%_": true,
	"_[_]": true, "size": true, "int": true, "uint": true, "double": true, "bool": true, "duration": true, "timestamp": true,
	"getField": true, "isNan": true, "isInf": true, "has": true, "type": true, "dyn": true,
}

func (l *loops) walkCall(c ast.CallExpr, in loop) {
	operands := c.Args()
	if c.IsMemberFunction() {
		operands = append(operands[:len(operands):len(operands)], c.Target())
	}
	for _, one := range operands {
		l.walk(one, in)
	}
	if in.exponent == 0 || constantTime[c.FunctionName()] {
		return
	}
	for _, one := range operands {
		if l.large(one) && !in.owns(one) {
			in.exponent++
			l.note(in, c.FunctionName() != "@in")
			return
		}
	}
}

// large reports whether what an expression gives may be as large as the request.
func (*loops) large(e ast.Expr) bool {
	return e.Kind() != ast.LiteralKind && literalLength(e) < 0
}
