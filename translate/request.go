package translate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/wire"
)

// encode returns the request message and the field mask for the answer. The
// message is body ++ query ++ path: to concatenate is to merge, and what comes
// later wins. The bytes are new and nobody writes to them afterwards.
func (x *exchange) encode(r *http.Request) (request []byte, mask string, err error) {
	q := query{route: x.route, seen: x.seen[:0], accepted: &x.accepted}
	if q.wire, err = x.encodeBody(r); err != nil {
		return nil, "", err
	}
	if q.wire == nil {
		q.wire = x.lasting.room[:0]
	}
	body := len(q.wire)
	if err := q.read(r.URL.RawQuery, x.rest.queryParameters); err != nil {
		return nil, "", err
	}
	if err := q.read(x.moreQuery, x.rest.queryParameters); err != nil {
		return nil, "", err
	}
	x.seen = q.seen
	x.chooseAnswer()
	if q.wire, err = x.appendIfMatch(q.wire, r); err != nil {
		return nil, "", err
	}
	if q.wire, err = x.deriveMask(q.wire); err != nil {
		return nil, "", err
	}
	request, err = x.route.appendPath(q.wire, body, &x.path)
	return request, q.mask, err
}

// appendPath completes a message whose first bytes are the body's, and checks that it has its required fields. A body that says something else about one of
// them is refused: nobody shall be able to make two readers of one request see two.
func (r *route) appendPath(dst []byte, body int, p *path) ([]byte, error) {
	for i := range r.variables {
		v := &r.variables[i]
		from, to := r.template.span(&v.variable, len(p.parts))
		text := p.value(from, to, v.multi)
		start := len(dst)
		var err error
		if v.path.Field().IsList() {
			dst, err = appendFieldText(dst, v.path, strings.Split(text, ",")...)
		} else {
			dst, err = appendFieldText(dst, v.path, text)
		}
		if err != nil {
			return nil, invalidInput("path variable "+v.field, v.field, err)
		}
		if body == 0 {
			continue
		}
		if err := v.checkRivals(dst[:body]); err != nil {
			return nil, err
		}
		said, err := v.compare(dst[:body], dst[start:])
		if err != nil {
			return nil, err
		}
		if said && v.path.Field().IsList() {
			dst = dst[:start] // the body has the same elements already
		}
	}
	if missing := r.method.Input.MissingRequired(dst); missing != "" {
		return nil, invalid(fmt.Sprintf("required field %q is missing", missing), missing, "required")
	}
	return dst, nil
}

// compare reports whether the body sets a variable's field, and refuses one that
// sets it to something else. A zero in a field without presence is the same as nothing: it
// is what serializers write for a field that nobody set.
func (v *boundVariable) compare(body, fromPath []byte) (said bool, err error) {
	if said, err = v.isSet(body); err != nil || !said {
		return false, err
	}
	for _, part := range v.parts {
		inBody, err := collect(part, body)
		if err != nil {
			return false, err
		}
		inPath, err := collect(part, fromPath)
		if err != nil {
			return false, err
		}
		if !equalValues(part.Field(), inBody, inPath) {
			return false, invalid(fmt.Sprintf("the body contradicts the path about %s", v.field), v.field,
				"differs from the path")
		}
	}
	return true, nil
}

// isSet reports whether a message says anything about a variable's field.
func (v *boundVariable) isSet(msg []byte) (set bool, err error) {
	f := v.path.Field()
	if f.Message() != nil {
		err = v.path.Messages(msg, func([]byte) bool {
			set = true
			return false
		})
		return set, err
	}
	err = v.path.Values(msg, func(value wire.Value) bool {
		set = f.HasPresence() || f.IsList() || value != wire.Value{}
		return true
	})
	return set, err
}

func collect(p *wire.Path, msg []byte) (values []wire.Value, err error) {
	err = p.Values(msg, func(v wire.Value) bool {
		values = append(values, v)
		return true
	})
	return values, err
}

// equalValues compares what two messages say; absence is the zero value.
func equalValues(f *wire.Field, a, b []wire.Value) bool {
	if f.IsList() {
		return slices.Equal(a, b)
	}
	return last(a) == last(b)
}

// last returns the value that counts for a singular field.
func last(values []wire.Value) wire.Value {
	if len(values) == 0 {
		return wire.Value{}
	}
	return values[len(values)-1]
}

// deriveMask appends the field mask of a PATCH that was sent without one: the
// fields that its body sets, less those that the path has (AIP-134). It is there also where it
// is empty: a backend must not take a body that sets nothing for one that clears everything.
func (x *exchange) deriveMask(dst []byte) ([]byte, error) {
	r := x.route
	if r.mask == nil {
		return dst, nil
	}
	given := false
	err := r.mask.Messages(dst, func(mask []byte) bool {
		given = len(mask) > 0
		return !given
	})
	if err != nil || given {
		return dst, err
	}
	paths, err := x.bodyPaths()
	if err != nil {
		return nil, err
	}
	var mask []byte
	for _, p := range paths {
		if !r.pathHas(p) {
			mask = protowire.AppendTag(mask, 1, protowire.BytesType)
			mask = protowire.AppendString(mask, p)
		}
	}
	return r.mask.Field().AppendWireMessage(dst, mask), nil
}

// bodyPaths returns what the body sets, as a field mask of the field that it is.
func (x *exchange) bodyPaths() ([]string, error) {
	if x.form != nil {
		return x.form.paths, nil
	}
	if len(trimSpace(x.body)) == 0 {
		return nil, nil
	}
	paths, err := x.route.body.Field().Message().FieldPaths(x.body)
	if err != nil {
		return nil, invalidInput("body", x.route.binding.Body, err)
	}
	return paths, nil
}

// pathHas reports whether a field of the body, as a field mask names it, is a path variable.
func (r *route) pathHas(maskPath string) bool {
	p, err := r.method.Input.Path(r.binding.Body + "." + maskPath)
	if err != nil {
		return false
	}
	for _, v := range r.variables {
		if within(p, v.path) {
			return true
		}
	}
	return false
}
