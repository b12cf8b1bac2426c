package resilience

import (
	"errors"
	"fmt"
	"math"
	"regexp/syntax"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// protovalidate evaluates expressions without a bound on what they cost and without a context, and whoever
// writes a .proto file writes them. Few bytes can cost much: of
//
//	['x'].map(a, a + a).map(b, b + b).map(c, c + c)
//
// each further map doubles the text, and
//
//	this.books.all(a, this.books.exists_one(b, a.name == b.name))
//
// compares each book with each. So what an expression costs at the most is worked out before it is compiled, as a
// bound in terms of what it looks at. One that costs too much whatever the request is refused for good; the others
// are held against each request before they are evaluated.

// maxRuleSteps is how many steps the rules for one request may take. A step is what evaluating a small part of an
// expression costs: some 40 ns, or 16 bytes of memory.
const maxRuleSteps = 1 << 21

// maxRuleText bounds the text of an expression, in bytes.
const maxRuleText = 8 << 10

// What is unknown about a value that rules look at: the amounts of the value itself, of those of its fields
// that an expression names, and of the element of each loop that lies around a part of an expression.
const (
	maxRuleFields = 5 // others count as the whole value
	maxRuleLoops  = 6
	maxRuleDepth  = 64 // of parts in parts, which the compiler takes the square of
	maxUnknowns   = amounts * (1 + maxRuleFields + maxRuleLoops)
)

// ruleCost is how many steps an expression takes.
type ruleCost struct {
	steps  bound
	fields []string // whose amounts are the unknowns after those of the value
}

var errCostlyRule = errors.New("it costs too much, whatever the request")

// ruleInputs are the amounts of what an expression knows besides the value that it is about.
type ruleInputs struct {
	defaults float64 // bytes of the texts that fields are when they are not set
	options  float64 // bytes of the options that `rule` and `rules` stand for
}

// costOfText returns what an expression costs. One that cannot be parsed costs nothing: protovalidate says
// what is wrong with it.
func costOfText(expression string, in ruleInputs) (ruleCost, error) {
	if len(expression) > maxRuleText {
		return ruleCost{}, fmt.Errorf("an expression may have %d bytes", maxRuleText)
	}
	env, err := ruleSyntax()
	if err != nil {
		return ruleCost{}, err
	}
	parsed, issues := env.Parse(expression)
	if issues.Err() != nil {
		return ruleCost{}, nil //nolint:nilerr // see above
	}
	w := &ruleWalk{in: in, variables: make(map[string]amount)}
	w.walk(parsed.NativeRep().Expr())
	if w.err == nil && !(w.cost.steps.at() <= maxRuleSteps) { // also where it is not a number
		w.err = errCostlyRule
	}
	return w.cost, w.err
}

// ruleSyntax parses expressions.
var ruleSyntax = sync.OnceValues(func() (*cel.Env, error) { return cel.NewEnv() })

// ruleWalk adds up what the parts of an expression cost.
type ruleWalk struct {
	in        ruleInputs
	cost      ruleCost
	variables map[string]amount // of the loops around
	loops     int
	depth     int
	err       error
}

func (w *ruleWalk) spend(steps ...bound) { w.cost.steps = w.cost.steps.plus(steps...) }

// this is the value that the expression is about.
func (w *ruleWalk) this() amount { return w.withDefaults(unknownAmount(0)) }

func (w *ruleWalk) withDefaults(a amount) amount {
	if w.in.defaults > 0 {
		a[inText] = a[inText].plus(constant(w.in.defaults))
	}
	return a
}

// field is one of the fields of that value.
func (w *ruleWalk) field(name string) amount {
	for i, known := range w.cost.fields {
		if known == name {
			return w.withDefaults(unknownAmount(amounts * (1 + i)))
		}
	}
	if len(w.cost.fields) == maxRuleFields {
		return w.this().part()
	}
	w.cost.fields = append(w.cost.fields, name)
	return w.withDefaults(unknownAmount(amounts * len(w.cost.fields)))
}

func (w *ruleWalk) walk(e ast.Expr) amount {
	if w.depth++; w.depth > maxRuleDepth {
		w.err = fmt.Errorf("more than %d parts lie within each other", maxRuleDepth)
	}
	defer func() { w.depth-- }()
	if w.err != nil {
		return little
	}
	switch e.Kind() {
	case ast.LiteralKind:
		return literal(e)
	case ast.IdentKind:
		return w.identifier(e.AsIdent())
	case ast.SelectKind:
		return w.selection(e.AsSelect())
	case ast.CallKind:
		return w.call(e.AsCall())
	case ast.ComprehensionKind:
		return w.loop(e.AsComprehension())
	case ast.ListKind:
		return w.made(e.AsList().Elements())
	case ast.MapKind:
		var parts []ast.Expr
		for _, entry := range e.AsMap().Entries() {
			parts = append(parts, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return w.made(parts)
	case ast.StructKind:
		var parts []ast.Expr
		for _, f := range e.AsStruct().Fields() {
			parts = append(parts, f.AsStructField().Value())
		}
		return w.made(parts)
	default:
		w.err = errors.New("it has a part of an unknown kind")
		return little
	}
}

func literal(e ast.Expr) amount {
	switch v := e.AsLiteral().(type) {
	case types.String:
		return text(float64(len(v)))
	case types.Bytes:
		return text(float64(len(v)))
	default:
		return little
	}
}

func (w *ruleWalk) identifier(name string) amount {
	w.spend(constant(1))
	if a, ok := w.variables[name]; ok {
		return a
	}
	switch name {
	case "this":
		return w.this()
	case "rule", "rules":
		n := constant(w.in.options + 1)
		return amount{n, n, n, n}
	default:
		return text(64) // the name of a type, and `now`
	}
}

// selection is part of what it is selected from.
func (w *ruleWalk) selection(s ast.SelectExpr) amount {
	w.spend(constant(1))
	if _, shadowed := w.variables["this"]; !shadowed && s.Operand().Kind() == ast.IdentKind && s.Operand().AsIdent() == "this" {
		return w.field(s.FieldName())
	}
	from := w.walk(s.Operand())
	if s.IsTestOnly() {
		return little
	}
	return from.part()
}

// made is a list, a map or a message that is written out.
func (w *ruleWalk) made(written []ast.Expr) amount {
	parts := make([]amount, len(written))
	for i, part := range written {
		parts[i] = w.walk(part)
	}
	w.spend(constant(1 + float64(len(parts))))
	return listOf(parts)
}

// loop is one of the macros, all of which add something to what they accumulate with each element.
func (w *ruleWalk) loop(c ast.ComprehensionExpr) amount {
	over, begin := w.walk(c.IterRange()), w.walk(c.AccuInit())
	if w.loops == maxRuleLoops {
		w.err = fmt.Errorf("more than %d loops lie within each other", maxRuleLoops)
		return little
	}
	number := amounts * (1 + maxRuleFields + w.loops)
	before := w.cost.steps
	w.cost.steps = constant(2)
	leave := w.bind(map[string]amount{c.IterVar(): unknownAmount(number).part(), c.AccuVar(): {}})
	if c.HasIterVar2() {
		w.variables[c.IterVar2()] = unknownAmount(number).part()
	}
	w.loops++
	w.walk(c.LoopCondition())
	added := w.walk(c.LoopStep()).inAll(over, number)
	w.loops--
	leave()
	w.cost.steps = before.plus(w.cost.steps.inAll(over, number))
	defer w.bind(map[string]amount{c.AccuVar(): begin.plus(added)})()
	return w.walk(c.Result())
}

// bind names variables, until leave is called.
func (w *ruleWalk) bind(named map[string]amount) (leave func()) {
	around := w.variables
	w.variables = make(map[string]amount, len(around)+len(named))
	for name, a := range around {
		w.variables[name] = a
	}
	for name, a := range named {
		w.variables[name] = a
	}
	return func() { w.variables = around }
}

func (w *ruleWalk) call(c ast.CallExpr) amount {
	operands := c.Args()
	if c.IsMemberFunction() {
		operands = append([]ast.Expr{c.Target()}, operands...)
	}
	given := make([]amount, len(operands))
	for i, one := range operands {
		given[i] = w.walk(one)
	}
	cost, known := callCosts[functionOf(c)]
	if !known || len(operands) == 0 {
		w.err = fmt.Errorf("what the function %.40q costs is not known", c.FunctionName())
	}
	if w.err != nil {
		return little
	}
	gives, steps := cost(called{operands, given})
	w.spend(constant(1), steps)
	return gives
}

// functionOf is the name of a function, of which some are written like a method: strings.quote.
func functionOf(c ast.CallExpr) string {
	if c.IsMemberFunction() && c.Target().Kind() == ast.IdentKind && c.Target().AsIdent() == "strings" {
		return "strings." + c.FunctionName()
	}
	return c.FunctionName()
}

// called is a call of a function: its operands, of which the first may stand before the name.
type called struct {
	written  []ast.Expr
	operands []amount
}

func (c called) operand(i int) amount {
	if i < len(c.operands) {
		return c.operands[i]
	}
	return little
}

// all is what all operands are together.
func (c called) all() (sum amount) {
	for _, one := range c.operands {
		sum = sum.plus(one)
	}
	return sum
}

// callCosts says of each function what it gives at the most, and in how many steps besides the first.
var callCosts = costsOfCalls()

func costsOfCalls() map[string]func(called) (amount, bound) {
	costs := map[string]func(called) (amount, bound){
		"_?_:_": func(c called) (amount, bound) { return c.operand(1).or(c.operand(2)), nil },
		"_[_]":  func(c called) (amount, bound) { return c.operand(0).part(), constant(1) },
		"_+_":   func(c called) (amount, bound) { return c.all(), copied(c.all()) },
		"@in":   contained,
		"size":  func(c called) (amount, bound) { return little, c.operand(0)[inText].scaled(1. / 64) },
		"dyn":   func(c called) (amount, bound) { return c.operand(0), nil },

		"contains": func(c called) (amount, bound) { return little, c.all()[inText].scaled(1. / 32) },
		"matches":  matched,
		"unique": func(c called) (amount, bound) {
			return little, c.operand(0)[inElements].plus(c.operand(0)[inText].scaled(1. / 32))
		},
		"getField": func(c called) (amount, bound) { return c.operand(0).part(), constant(1) },

		"replace": replaced,
		"split": func(c called) (amount, bound) {
			n := c.operand(0)[inText].scaled(2).plus(constant(1))
			return amount{n, n, n, n}, n
		},
		"join": func(c called) (amount, bound) {
			between := c.operand(0)[inElements].times(c.operand(1)[inText])
			joined := amount{inText: c.operand(0)[inText].plus(between), inParts: constant(1)}
			return joined, copied(joined).scaled(3).plus(c.operand(0)[inElements])
		},
		"format":        formatted,
		"indexOf":       found,
		"lastIndexOf":   found,
		"strings.quote": func(c called) (amount, bound) { return grown(c.operand(1), 6), c.operand(1)[inText] },
		"string":        func(c called) (amount, bound) { return c.operand(0).plus(text(400)), copied(c.operand(0)) },
		"bytes":         func(c called) (amount, bound) { return c.operand(0).plus(text(1)), copied(c.operand(0)) },
	}
	for _, name := range []string{
		"_&&_", "_||_", "!_", "@not_strictly_false", "_-_", "-_", "_*_", "_/_", "_%_",
		"isNan", "isInf", "type", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
		"getHours", "getMinutes", "getSeconds", "getMilliseconds",
	} {
		costs[name] = func(c called) (amount, bound) {
			if name[0] == 'g' && len(c.operands) > 1 {
				return little, constant(400) // a time zone is read
			}
			return little, nil
		}
	}
	for _, name := range []string{"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"} {
		costs[name] = compared
	}
	for _, name := range []string{
		"int", "uint", "double", "bool", "duration", "timestamp",
		"isHostname", "isEmail", "isIp", "isIpPrefix", "isUri", "isUriRef", "isHostAndPort",
	} {
		costs[name] = func(c called) (amount, bound) { return little, c.operand(0)[inText] }
	}
	for _, name := range []string{"charAt", "lowerAscii", "upperAscii", "substring", "trim", "reverse"} {
		costs[name] = func(c called) (amount, bound) {
			return grown(c.operand(0), 1), c.operand(0)[inText].scaled(1. / 3)
		}
	}
	return costs
}

// grown is a text that is so many times as long.
func grown(a amount, times float64) amount {
	return amount{inText: a[inText].scaled(times).plus(constant(3)), inParts: constant(1)}
}

func copied(a amount) bound { return a[inText].scaled(1. / 16) }

// compared looks at no more than the lesser operand has.
func compared(c called) (amount, bound) {
	a, b := c.operand(0), c.operand(1)
	return little, lesser(a[inText], b[inText]).scaled(1. / 512).plus(lesser(a[inParts], b[inParts]))
}

func lesser(a, b bound) bound {
	if b.degree() < a.degree() {
		return b
	}
	return a
}

// contained compares with each element, which for a message is as long as the message, and for all others as the lesser.
func contained(c called) (amount, bound) {
	one, list := c.operand(0), c.operand(1)
	if k := c.written[1].Kind(); k == ast.ListKind && one[inParts].isConstant() {
		return little, one[inText].scaled(1. / 64)
	}
	each := one[inText].scaled(1. / 512).plus(one[inParts])
	return little, lesser(list[inParts].plus(list[inElements], list[inText].scaled(1./512)), list[inElements].times(each))
}

// matched takes a step of the automaton for each byte, in which each of its instructions may count.
func matched(c called) (amount, bound) {
	subject := c.operand(0)[inText]
	if len(c.written) == 2 && c.written[1].Kind() == ast.LiteralKind {
		if pattern, ok := c.written[1].AsLiteral().(types.String); ok {
			return little, subject.scaled(patternCost(string(pattern))).plus(constant(2))
		}
	}
	pattern := c.operand(1)[inText]
	// It is compiled each time, and may have x{1000} in it.
	return little, subject.times(pattern).scaled(18).plus(pattern.scaled(400))
}

// patternCost is how many steps a byte takes that is matched with a regular expression.
func patternCost(pattern string) float64 {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 1 // it never matches anything
	}
	compiled, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return 1
	}
	return math.Max(float64(len(compiled.Inst))/8, 0.25)
}

// replaced has what is put in at most once for each byte, and once more.
func replaced(c called) (amount, bound) {
	in := c.operand(0)[inText]
	put := c.operand(2)[inText]
	gives := amount{inText: in.plus(in.plus(constant(1)).times(put)), inParts: constant(1)}
	if put.at() <= 1 && put.isConstant() { // nothing
		gives = grown(c.operand(0), 1)
	}
	return gives, in.scaled(1. / 8).plus(copied(gives))
}

// formatted has each argument once, with quotes around and escapes in it, or a number with its 100 decimals.
func formatted(c called) (amount, bound) {
	arguments := c.operand(1)
	gives := amount{inText: c.operand(0)[inText].plus(arguments[inText].scaled(6), arguments[inParts].scaled(512)), inParts: constant(1)}
	return gives, gives[inText].scaled(1. / 16)
}

// found compares at each place.
func found(c called) (amount, bound) {
	in, what := c.operand(0)[inText], c.operand(1)[inText]
	return little, in.scaled(1. / 4).plus(in.times(what).scaled(1. / 32))
}
