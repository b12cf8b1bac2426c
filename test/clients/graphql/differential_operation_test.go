package graphql

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// randomOperation is a document with what goes with it.
type randomOperation struct {
	Query         string `json:"query"`
	Variables     string `json:"variables"` // JSON
	OperationName string `json:"operationName,omitempty"`
	Variant       int    `json:"variant"`
}

// operationMaker writes one operation for a schema.
type operationMaker struct {
	*rand.Rand
	schema    *ast.Schema
	roots     map[string]bool // fields of root types that may be selected
	wrong     int             // percent of choices that are wrong
	variables []string        // definitions
	values    []string        // members of the JSON object
	fragments []*randomFragment
	open      []*randomFragment // being written
	aliases   int
	constants bool // no variables now
}

type randomFragment struct{ name, on, body string }

func (o *operationMaker) chance(percent int) bool { return o.IntN(100) < percent }

// errs reports whether to do something wrong now.
func (o *operationMaker) errs() bool { return o.IntN(100) < o.wrong }

func newOperation(r *rand.Rand, schema *ast.Schema, roots map[string]bool) randomOperation {
	o := &operationMaker{Rand: r, schema: schema, roots: roots}
	if o.chance(30) {
		o.wrong = 1 + o.IntN(4)
	}
	kind, def := "query", schema.Query
	if n := o.IntN(100); n < 20 && schema.Mutation != nil {
		kind, def = "mutation", schema.Mutation
	} else if n < 32 && schema.Subscription != nil {
		kind, def = "subscription", schema.Subscription
	}
	out := randomOperation{}
	set := o.rootSelection(kind, def)
	name := ""
	if o.chance(30) {
		name = "Chosen"
		out.OperationName = pick(r, []string{"", "Chosen"})
	}
	variables := ""
	if len(o.variables) > 0 {
		variables = "(" + strings.Join(o.variables, ", ") + ")"
	}
	out.Query = fmt.Sprintf("%s %s%s %s", kind, name, variables, set)
	if kind == "query" && name == "" && variables == "" && o.chance(50) {
		out.Query = set
	}
	for _, f := range o.fragments {
		out.Query += fmt.Sprintf("\nfragment %s on %s %s", f.name, f.on, f.body)
	}
	if name != "" && out.OperationName != "" && o.chance(20) {
		out.Query += "\nquery Other { __typename }"
	}
	out.Variables = "{" + strings.Join(o.values, ",") + "}"
	if o.chance(12) {
		out.Query = o.garble(out.Query)
	}
	return out
}

func (o *operationMaker) rootSelection(kind string, def *ast.Definition) string {
	var fields []*ast.FieldDefinition
	for _, f := range def.Fields {
		if o.roots[f.Name] {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return "{ __typename }"
	}
	n := 1 + o.IntN(3)
	if kind == "subscription" {
		n = 1
	}
	var set []string
	for range n {
		set = append(set, o.field(pick(o.Rand, fields), 4))
	}
	if kind != "subscription" && o.chance(15) {
		set = append(set, "__typename")
	}
	return "{ " + strings.Join(set, " ") + " }"
}

// selection writes a selection set of a type.
func (o *operationMaker) selection(def *ast.Definition, depth int) string {
	var set []string
	for range 1 + o.IntN(4) {
		switch {
		case o.chance(12):
			set = append(set, "__typename"+o.directives())
		case o.chance(14) && depth > 0:
			on := o.condition(def)
			condition := " on " + on.Name
			if on == def && o.chance(50) {
				condition = ""
			}
			set = append(set, "..."+condition+o.directives()+" "+o.selection(on, depth-1))
		case o.chance(16) && depth > 0:
			if f := o.fragment(o.condition(def), depth-1); f != "" {
				set = append(set, "..."+f+o.directives())
			}
		default:
			if f := o.anyField(def, depth); f != "" {
				set = append(set, f)
			}
		}
	}
	if len(set) == 0 {
		set = append(set, "__typename")
	}
	return "{ " + strings.Join(set, " ") + " }"
}

// condition returns a type that fragments within a selection of def may be for.
func (o *operationMaker) condition(def *ast.Definition) *ast.Definition {
	if o.errs() {
		return o.schema.Types[pick(o.Rand, o.typeNames())]
	}
	if possible := o.schema.PossibleTypes[def.Name]; def.Kind == ast.Union && o.chance(80) {
		return pick(o.Rand, possible)
	}
	var unions []*ast.Definition
	for name, types := range o.schema.PossibleTypes {
		if u := o.schema.Types[name]; u.Kind == ast.Union && slices.Contains(types, def) {
			unions = append(unions, u)
		}
	}
	slices.SortFunc(unions, func(a, b *ast.Definition) int { return strings.Compare(a.Name, b.Name) })
	if len(unions) > 0 && o.chance(20) {
		return pick(o.Rand, unions)
	}
	return def
}

func (o *operationMaker) typeNames() []string {
	var names []string
	for name := range o.schema.Types {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// fragment returns the name of a fragment for a type, which may be a new one.
func (o *operationMaker) fragment(on *ast.Definition, depth int) string {
	var known []*randomFragment
	for _, f := range o.fragments {
		if (f.on == on.Name && !slices.Contains(o.open, f)) || o.errs() {
			known = append(known, f)
		}
	}
	if len(known) > 0 && o.chance(60) {
		return pick(o.Rand, known).name
	}
	if len(o.fragments) == 6 {
		return ""
	}
	f := &randomFragment{name: fmt.Sprintf("F%d", len(o.fragments)), on: on.Name}
	o.fragments = append(o.fragments, f)
	o.open = append(o.open, f)
	f.body = o.selection(on, depth)
	o.open = o.open[:len(o.open)-1]
	return f.name
}

func (o *operationMaker) anyField(def *ast.Definition, depth int) string {
	var fields []*ast.FieldDefinition
	for _, f := range def.Fields {
		if depth > 0 || o.schema.Types[f.Type.Name()].IsLeafType() {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return ""
	}
	return o.field(pick(o.Rand, fields), depth)
}

func (o *operationMaker) field(f *ast.FieldDefinition, depth int) string {
	name := f.Name
	if o.errs() {
		name = "nothing"
	}
	alias := ""
	switch {
	case o.errs():
		alias = pick(o.Rand, []string{"a: ", "b: "})
	case o.chance(25) || len(f.Arguments) > 0:
		o.aliases++
		alias = fmt.Sprintf("a%d: ", o.aliases)
	}
	out := alias + name + o.arguments(f.Arguments) + o.directives()
	def := o.schema.Types[f.Type.Name()]
	if def.IsCompositeType() != o.errs() {
		if !def.IsCompositeType() {
			return out + " { __typename }"
		}
		out += " " + o.selection(def, depth-1)
	}
	return out
}

func (o *operationMaker) directives() string {
	if !o.chance(10) {
		return ""
	}
	name := pick(o.Rand, []string{"skip", "include"})
	if o.errs() {
		name = "nothing"
	}
	condition := o.value(ast.NonNullNamedType("Boolean", nil), "", 1, true)
	if o.chance(10) {
		other := map[string]string{"skip": "include", "include": "skip"}[name]
		if other != "" {
			return fmt.Sprintf(" @%s(if: %s) @%s(if: %s)", name, condition, other, pick(o.Rand, []string{"true", "false"}))
		}
	}
	return fmt.Sprintf(" @%s(if: %s)", name, condition)
}

func (o *operationMaker) arguments(definitions ast.ArgumentDefinitionList) string {
	var args []string
	for _, a := range definitions {
		if a.Type.NonNull != o.errs() || o.chance(45) {
			args = append(args, a.Name+": "+o.value(a.Type, a.Name, 3, true))
		}
	}
	if o.errs() {
		args = append(args, "nothing: 1")
	}
	if len(args) == 0 {
		return ""
	}
	return "(" + strings.Join(args, ", ") + ")"
}

// value writes a value of a type: as a literal, which may be or hold variables, or as JSON.
// The name of the field tells what JSON it takes.
func (o *operationMaker) value(t *ast.Type, name string, depth int, literal bool) string {
	switch {
	case literal && !o.constants && o.chance(25):
		return o.variable(t, name, depth)
	case !t.NonNull && o.chance(8), o.errs():
		return "null"
	case t.Elem != nil && !strings.HasPrefix(name, "li") && !strings.HasPrefix(name, "va") && o.chance(10):
		return o.value(t.Elem, name, depth, literal) // a single value is a list
	case t.Elem != nil:
		var elements []string
		for range o.IntN(3) {
			elements = append(elements, o.value(t.Elem, name, depth, literal))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	def := o.schema.Types[t.NamedType]
	if def == nil {
		return "1"
	}
	switch def.Kind {
	case ast.Enum:
		value := pick(o.Rand, def.EnumValues).Name
		if value == "UNRECOGNIZED" && !o.errs() {
			value = def.EnumValues[0].Name
		}
		if o.errs() {
			value = "NOTHING"
		}
		if literal && !o.errs() {
			return value
		}
		return quote(value)
	case ast.InputObject:
		return o.object(def, depth, literal)
	default:
		return o.scalar(def.Name, name, literal)
	}
}

// object writes an input object.
func (o *operationMaker) object(def *ast.Definition, depth int, literal bool) string {
	fields := def.Fields
	if def.Directives.ForName("oneOf") != nil {
		fields = ast.FieldList{pick(o.Rand, fields)}
		if o.errs() {
			fields = def.Fields
		}
	}
	var members []string
	for _, f := range fields {
		required := f.Type.NonNull || len(fields) == 1
		if !required && (depth <= 0 || !o.chance(35)) || o.errs() {
			continue
		}
		t := f.Type
		if def.Directives.ForName("oneOf") != nil && !o.errs() {
			copied := *t
			copied.NonNull = true
			t = &copied
		}
		if depth <= -3 {
			break // members of oneofs within oneofs
		}
		members = append(members, o.member(f.Name, o.value(t, f.Name, depth-1, literal), literal))
	}
	if o.errs() {
		members = append(members, o.member("nothing", "1", literal))
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func (o *operationMaker) member(name, value string, literal bool) string {
	if literal {
		return name + ": " + value
	}
	return quote(name) + ": " + value
}

// variable declares a variable for a place and gives it a value, mostly.
func (o *operationMaker) variable(t *ast.Type, name string, depth int) string {
	v := fmt.Sprintf("v%d", len(o.variables))
	declared := *t
	defaults := ""
	switch {
	case o.errs():
		declared = *ast.NamedType(pick(o.Rand, []string{"Int", "String", "Boolean", "JSON", "M0Input"}), nil)
	case !declared.NonNull && o.chance(25):
		declared.NonNull = true
	case declared.NonNull && o.chance(40), o.chance(20):
		nonNull := declared
		nonNull.NonNull = true
		defaults = " = " + o.constant(&nonNull, name, depth)
		declared.NonNull = o.chance(30)
	}
	o.variables = append(o.variables, fmt.Sprintf("$%s: %s%s", v, &declared, defaults))
	if (declared.NonNull && defaults == "" || o.chance(65)) && !o.errs() {
		o.values = append(o.values, quote(v)+":"+o.value(&declared, name, depth-1, false))
	}
	return "$" + v
}

// constant writes a literal without variables.
func (o *operationMaker) constant(t *ast.Type, name string, depth int) string {
	o.constants = true
	defer func() { o.constants = false }()
	return o.value(t, name, depth, true)
}

// scalar writes a scalar; what is wrong is wrong for graphql-js too.
func (o *operationMaker) scalar(typ, name string, literal bool) string {
	if typ == "JSON" {
		return o.jsonInput(name, literal)
	}
	good := map[string][]string{
		"Int":      {"0", "1", "-1", "2147483647", "-2147483648"},
		"Float":    {"0", "-0.5", "1.5", "1e10", "3", "-12.25e-3"},
		"String":   {`""`, `"a"`, `"tw\"o\\ \n"`, `"é漢🙂"`, `"\u00e9\u2028"`},
		"ID":       {`"id"`, `""`, "12", `"12"`},
		"Boolean":  {"true", "false"},
		"UInt32":   {"0", "7", "4294967295"},
		"Int64":    {`"0"`, `"-9223372036854775808"`, "42", `"9223372036854775807"`, "9007199254740991", "-42"},
		"UInt64":   {`"0"`, `"18446744073709551615"`, "42"},
		"Bytes":    {`""`, `"aGk="`, `"_-8="`, `"+/8="`},
		"DateTime": {`"2026-01-31T23:59:59.5Z"`, `"0001-01-01T00:00:00Z"`, `"2026-01-31T23:59:59+02:00"`},
		"Duration": {`"0s"`, `"1.5s"`, `"-3s"`, `"0.000000001s"`},
	}
	bad := map[string][]string{
		"Int":      {"2147483648", "1.5", `"1"`, "true", "{}", "-2147483649", "1.0"},
		"Float":    {`"1.5"`, "true", "[]"},
		"String":   {"1", "true", "{}"},
		"ID":       {"1.5", "true"},
		"Boolean":  {`"true"`, "1"},
		"UInt32":   {"-1", "4294967296", `"1"`, "1.5"},
		"Int64":    {`"x"`, "1.5", `"9223372036854775808"`, "true", `""`},
		"UInt64":   {"-1", `"-1"`, `"18446744073709551616"`},
		"Bytes":    {`"!!"`, "1"},
		"DateTime": {`"yesterday"`, `"2026-13-01T00:00:00Z"`, "0"},
		"Duration": {`"1m"`, `"1"`, "1"},
	}
	switch {
	case strings.HasPrefix(name, "fm"):
		return pick(o.Rand, []string{`""`, `"a"`, `"a,b.c"`})
	case o.errs():
		return pick(o.Rand, bad[typ])
	case literal && typ == "String" && o.chance(10):
		return pick(o.Rand, []string{`"""block"""`, "\"\"\"\n    two\n      lines \\\"\"\" \"quoted\"\n    \"\"\""})
	default:
		return pick(o.Rand, good[typ])
	}
}

// jsonInput writes what a field of type JSON takes: prefixes of names tell.
func (o *operationMaker) jsonInput(name string, literal bool) string {
	switch {
	case strings.HasPrefix(name, "st"):
		return "{" + o.member("a", o.jsonInput("va", literal), literal) + "}"
	case strings.HasPrefix(name, "li"):
		return "[" + o.jsonInput("va", literal) + ", 1]"
	case strings.HasPrefix(name, "aj"), strings.HasPrefix(name, "em"), name == "value":
		return "{}"
	}
	switch o.IntN(5) {
	case 0:
		return "{" + o.member("b", pick(o.Rand, []string{"1", `"x"`, "[true, null]"}), literal) + "}"
	case 1:
		return "[1, [2.5]]"
	default:
		return pick(o.Rand, []string{"1", `"text"`, "true", "-2.5e3"})
	}
}

var lexeme = regexp.MustCompile(`(?s)""".*?"""|"(?:\\.|[^"\\])*"|[_A-Za-z]\w*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\.\.|[^\s]`)

// garble changes a few lexemes of a document.
func (o *operationMaker) garble(query string) string {
	list := lexeme.FindAllString(query, -1)
	for range 1 + o.IntN(2) {
		i, j := o.IntN(len(list)), o.IntN(len(list))
		switch o.IntN(5) {
		case 0:
			list = slices.Delete(list, i, i+1)
		case 1:
			list = slices.Insert(list, i, list[j])
		case 2:
			list[i], list[j] = list[j], list[i]
		case 3:
			list[i] = list[j]
		default:
			list[i] = pick(o.Rand, []string{"{", "}", "$v0", "null", "@skip(if: true)", "on", "__typename", "fragment", "\ufeff", "#", `"`, "0", "!", "id", ":", "[", "]"})
		}
		if len(list) == 0 {
			return query
		}
	}
	return strings.Join(list, " ")
}
