package translate

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/protean-gateway/protean/wire"
)

// DefaultQueryParameters is how many query parameters a request may have.
const DefaultQueryParameters = 1000

// maxParameterMemo bounds the names of parameters that a route remembers.
const maxParameterMemo = 512

// maxParameterDepth bounds the fields in one name, like the depth of JSON.
const maxParameterDepth = 100

// parameter is a compiled name of a query parameter. It is immutable.
type parameter struct {
	path  *wire.Path
	name  string // the field path in JSON names, whatever the spelling
	id    string // the field path in names of the .proto file, which tells fields apart
	bound string // why the field may not come from the query, or empty
	mask  string // of a form: the field as a mask of the body names it
	// choices are the fields of oneofs that it sets.
	choices []choice
}

// query reads the query parameters of one request, or the fields of a form.
type query struct {
	route *route
	form  bool // names begin at the body, and none is a system parameter
	wire  []byte
	mask  string // what the answer shall have; empty: all
	seen  []seenParameter
	paths []string // of a form: what it set, as a field mask of the body
	// choices are the fields of oneofs that were set.
	choices []choice
	// accepted is changed by system parameters that choose the form of the answer. It is nil in a form.
	accepted *accepted
}

// seenParameter is a field, or the entry of a map, that has its one value.
type seenParameter struct{ id, key string }

// read appends the fields that the parameters set to q.wire.
func (q *query) read(raw string, limit int) error {
	count := 0
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		if count++; count > limit {
			return refuse(http.StatusBadRequest, fmt.Sprintf("more than %d %ss", limit, q.noun()))
		}
		name, value, ok := unescapePair(pair)
		if !ok {
			return refuse(http.StatusBadRequest, "the "+q.place()+" is not percent-encoded well")
		}
		if err := q.add(name, value); err != nil {
			return err
		}
	}
	return nil
}

func unescapePair(pair string) (name, value string, ok bool) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, nameErr := url.QueryUnescape(rawName)
	value, valueErr := url.QueryUnescape(rawValue)
	return name, value, nameErr == nil && valueErr == nil && utf8.ValidString(name)
}

// place and noun are what clients call this.
func (q *query) place() string {
	if q.form {
		return "form"
	}
	return "query"
}

func (q *query) noun() string {
	if q.form {
		return "form field"
	}
	return "query parameter"
}

func (q *query) add(name, value string) error {
	if !q.form {
		if take := q.route.system[name]; take != nil {
			return take(q, name, value)
		}
	}
	p, key, err := q.find(name)
	if err != nil || p == nil {
		return err
	}
	return q.appendValue(p, name, key, value)
}

// find returns the field, and the key in a map, that a name stands for. There is none
// if the parameter is to be ignored.
func (q *query) find(name string) (p *parameter, key string, err error) {
	field, key, isEntry := q.cutKey(name)
	if p, err = q.parameter(field); err != nil {
		if q.route.ignoreUnknown {
			return nil, "", nil
		}
		return nil, "", q.unknown(name, field)
	}
	if q.route.grpcGateway && (p.bound == boundByPath || p.bound == boundByBody) {
		return nil, "", nil
	}
	if p.bound != "" {
		return nil, "", invalid(fmt.Sprintf("query parameter %q: the field %s", name, p.bound), p.name, p.bound)
	}
	if isEntry != p.path.Field().IsMap() {
		return nil, "", invalid(fmt.Sprintf("%s %q: entries of a map, and only those, are written as name[key]", q.noun(), name),
			p.name, "not a map entry")
	}
	if err := q.once(p, name, key); err != nil {
		return nil, "", err
	}
	if q.form && !slices.Contains(q.paths, p.mask) {
		q.paths = append(q.paths, p.mask)
	}
	return p, key, nil
}

func (q *query) appendValue(p *parameter, name, key, value string) error {
	var err error
	var out []byte
	if p.path.Field().IsMap() {
		out, err = appendEntryText(q.wire, p.path, key, value)
	} else {
		out, err = appendFieldText(q.wire, p.path, value)
	}
	if err != nil {
		return invalidInput(fmt.Sprintf("%s %q", q.noun(), name), p.name, err)
	}
	q.wire = out
	return nil
}

// addMask takes the field mask of the answer. Several are joined.
func (q *query) addMask(name, value string) error {
	if value == "" {
		return invalid(fmt.Sprintf("query parameter %q names no field", name), name, "empty")
	}
	if q.mask != "" {
		q.mask += ","
	}
	q.mask += value
	return nil
}

// once refuses a second value for what can have only one. Readers differ in
// which of two they take; nobody shall profit from that.
func (q *query) once(p *parameter, name, key string) error {
	if rivals(p.choices, q.choices) {
		return invalid(fmt.Sprintf("%s %q is one of several of which there can be one", q.noun(), name), p.name, "another of its oneof is given")
	}
	q.choices = append(q.choices, p.choices...)
	if p.path.Field().IsList() {
		return nil
	}
	for _, s := range q.seen {
		if s.key == key && s.id == p.id || partOf(s.id, p.id) || partOf(p.id, s.id) {
			return invalid(fmt.Sprintf("%s %q is given twice", q.noun(), name), p.name, "given twice")
		}
	}
	q.seen = append(q.seen, seenParameter{p.id, key})
	return nil
}

// partOf reports whether a field is a part of another, such as the seconds of a time that is given
// as a whole, too.
func partOf(id, outer string) bool {
	return len(id) > len(outer) && id[len(outer)] == '.' && id[:len(outer)] == outer
}

// cutKey splits `labels[color]` in field and key. A field whose own name has brackets, by json_name, is whole.
func (q *query) cutKey(name string) (field, key string, isEntry bool) {
	open := strings.IndexByte(name, '[')
	if open < 0 || !strings.HasSuffix(name, "]") {
		return name, "", false
	}
	if field, key, isEntry = q.root().CutKey(name); isEntry || open == 0 {
		return field, key, isEntry
	}
	if _, err := q.parameter(name); err == nil {
		return name, "", false
	}
	return name[:open], name[open+1 : len(name)-1], true // whatever it is, the error names the field
}

// root returns the message at which names begin.
func (q *query) root() *wire.Message {
	if q.form && q.route.body != nil {
		return q.route.body.Field().Message()
	}
	return q.route.method.Input
}

// parameter returns the compiled form of a dotted field name.
func (q *query) parameter(name string) (*parameter, error) {
	if q.form {
		return q.route.formParameters.get(name, q.route.compileFormParameter)
	}
	return q.route.parameters.get(name, q.route.compileParameter)
}

func (r *route) compileParameter(name string) (*parameter, error) {
	p, err := r.parameterPath(name)
	if err != nil {
		return nil, err
	}
	return &parameter{path: p, name: p.String(), id: protoPath(p), bound: r.bound(p), choices: choices(p.Fields())}, nil
}

// protoPath writes a path in names of the .proto file.
func protoPath(p *wire.Path) string {
	names := make([]string, len(p.Fields()))
	for i, f := range p.Fields() {
		names[i] = f.Descriptor().TextName()
	}
	return strings.Join(names, ".")
}

func (r *route) parameterPath(name string) (*wire.Path, error) {
	if strings.Count(name, ".") >= maxParameterDepth {
		return nil, fmt.Errorf("more than %d fields deep", maxParameterDepth)
	}
	return r.method.Input.Path(name)
}

func (q *query) unknown(name, field string) error {
	message := fmt.Sprintf("unknown %s %q", q.noun(), name)
	if near := suggest(q.root(), field); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return invalid(message, name, "unknown "+q.noun())
}
