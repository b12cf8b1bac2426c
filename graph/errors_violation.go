package graph

import (
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/protean-gateway/protean/wire"
)

// maxViolations bounds the field violations of one error.
const maxViolations = 100

// addViolations adds extensions.fieldViolations to the error of a root field: what a
// google.rpc.BadRequest says of its arguments, a list of
//
//	{"field": "book.title", "path": ["input", "book", "title"], "description": "…", "reason": "…"}
//
// Field is as the backend wrote it. Path leads to the argument in the terms of the graph: names of arguments and
// input fields, and positions in lists. It is missing where the graph has no such input, and
// ends at a map, whose entries have no position that the backend could know. Reason is missing where
// the backend gave none.
func addViolations(e *gqlerror.Error, cause error, r *root) {
	var violations []map[string]any
	for _, d := range statusOf(cause).Details() {
		bad, ok := d.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		for _, v := range bad.GetFieldViolations() {
			if len(violations) < maxViolations {
				violations = append(violations, r.violation(v))
			}
		}
	}
	if len(violations) > 0 {
		e.Extensions["fieldViolations"] = violations
	}
}

func (r *root) violation(v *errdetails.BadRequest_FieldViolation) map[string]any {
	out := map[string]any{"field": v.GetField(), "description": v.GetDescription()}
	if v.GetReason() != "" {
		out["reason"] = v.GetReason()
	}
	if path := r.inputPath(v.GetField()); len(path) > 0 {
		out["path"] = path
	}
	return out
}

// inputPath leads from the arguments of a root field to the field of the request that a
// backend names, in proto or JSON names. It is nil where the graph has no such input.
func (r *root) inputPath(field string) ast.Path {
	var path ast.Path
	switch r.arguments {
	case flattened:
	case inputObject:
		path = append(path, ast.PathName(inputArgument))
	default:
		return nil // which of the messages, or that there is one value, the field does not say
	}
	s := r.input
	for _, part := range strings.Split(field, ".") {
		name, position, listed := cutPosition(part)
		in, steps := s.find(name)
		if in == nil {
			return nil
		}
		path = append(path, steps...)
		if in.kind == inputMap {
			return path
		}
		if listed {
			path = append(path, ast.PathIndex(position))
		}
		if s = in.child; s == nil {
			s = noInput
		}
	}
	return path
}

// noInput has no fields.
var noInput = &inputShape{}

// cutPosition takes `books[2]` apart.
func cutPosition(part string) (name string, position int, ok bool) {
	name, rest, ok := strings.Cut(part, "[")
	if !ok {
		return part, 0, false
	}
	position, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	return name, position, err == nil && position >= 0
}

// find returns the input of a field by its proto or JSON name, and the names that lead
// to it: of a member of a oneof, the oneof comes first.
func (s *inputShape) find(name string) (*inputField, ast.Path) {
	for _, in := range s.fields {
		if in.kind == inputOneof {
			if member, path := in.child.find(name); member != nil {
				return member, append(ast.Path{ast.PathName(in.definition.Name)}, path...)
			}
		}
		if in.field != nil && (in.field.JSONName() == name || protoName(in.field) == name) {
			return in, ast.Path{ast.PathName(in.definition.Name)}
		}
	}
	return nil, nil
}

func protoName(f *wire.Field) string { return string(f.Descriptor().Name()) }
