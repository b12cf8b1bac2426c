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
	bound string // why the field may not come from the query, or empty
}

// query reads the query parameters of one request.
type query struct {
	route *route
	wire  []byte
	mask  string // what the answer shall have; empty: all
	seen  []seenParameter
}

// seenParameter is a field, or the entry of a map, that has its one value.
type seenParameter struct{ name, key string }

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
			return refuse(http.StatusBadRequest, fmt.Sprintf("more than %d query parameters", limit))
		}
		name, value, err := unescapePair(pair)
		if err != nil {
			return err
		}
		if err := q.add(name, value); err != nil {
			return err
		}
	}
	return nil
}

func unescapePair(pair string) (name, value string, err error) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err = url.QueryUnescape(rawName)
	if err == nil {
		value, err = url.QueryUnescape(rawValue)
	}
	if err != nil || !utf8.ValidString(name) {
		return "", "", refuse(http.StatusBadRequest, "the query is not percent-encoded well")
	}
	return name, value, nil
}

func (q *query) add(name, value string) error {
	if slices.Contains(q.route.maskNames, name) {
		return q.addMask(name, value)
	}
	field, key, isEntry := cutKey(name)
	p, err := q.route.parameter(field)
	if err != nil {
		if q.route.ignoreUnknown {
			return nil
		}
		return q.route.unknownParameter(name, field)
	}
	if p.bound != "" {
		return invalid(fmt.Sprintf("query parameter %q: the field %s", name, p.bound), p.name, p.bound)
	}
	if isEntry != p.path.Field().IsMap() {
		return invalid(fmt.Sprintf("query parameter %q: entries of a map, and only those, are written as name[key]", name),
			p.name, "not a map entry")
	}
	if err := q.once(p, name, key); err != nil {
		return err
	}
	return q.appendValue(p, name, key, value)
}

func (q *query) appendValue(p *parameter, name, key, value string) error {
	var err error
	var out []byte
	if p.path.Field().IsMap() {
		out, err = p.path.AppendMapText(q.wire, key, value)
	} else {
		out, err = p.path.AppendText(q.wire, value)
	}
	if err != nil {
		return invalidInput(fmt.Sprintf("query parameter %q", name), p.name, err)
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
	if p.path.Field().IsList() {
		return nil
	}
	s := seenParameter{p.name, key}
	if slices.Contains(q.seen, s) {
		return invalid(fmt.Sprintf("query parameter %q is given twice", name), p.name, "given twice")
	}
	q.seen = append(q.seen, s)
	return nil
}

// cutKey splits `labels[color]` in field and key.
func cutKey(name string) (field, key string, ok bool) {
	open := strings.IndexByte(name, '[')
	if open <= 0 || !strings.HasSuffix(name, "]") {
		return name, "", false
	}
	return name[:open], name[open+1 : len(name)-1], true
}

// parameter returns the compiled form of a dotted field name.
func (r *route) parameter(name string) (*parameter, error) {
	return r.parameters.get(name, r.compileParameter)
}

func (r *route) compileParameter(name string) (*parameter, error) {
	if strings.Count(name, ".") >= maxParameterDepth {
		return nil, fmt.Errorf("more than %d fields deep", maxParameterDepth)
	}
	p, err := r.method.Input.Path(name)
	if err != nil {
		return nil, err
	}
	return &parameter{path: p, name: p.String(), bound: r.bound(p)}, nil
}

func (r *route) unknownParameter(name, field string) error {
	message := fmt.Sprintf("unknown query parameter %q", name)
	if near := suggest(r.method.Input, field); near != "" {
		message += fmt.Sprintf("; did you mean %q?", near)
	}
	return invalid(message, name, "unknown query parameter")
}
