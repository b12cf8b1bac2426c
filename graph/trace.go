package graph

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"google.golang.org/protobuf/encoding/protowire"
)

// Gateways of Apollo ask subgraphs for a trace in the extensions of the response: a message Trace of
// Apollo's reports.proto. Ours has the times of root fields, with all that is joined to them, and the
// errors of all fields; a field of an object has no time of its own, since it is read where it is written.

const (
	traceHeader    = "Apollo-Federation-Include-Trace"
	traceExtension = "ftv1"
)

// The fields of Trace and of the messages in it.
const (
	traceEnd        protowire.Number = 3
	traceStart      protowire.Number = 4
	traceDuration   protowire.Number = 11
	traceRoot       protowire.Number = 14
	nodeName        protowire.Number = 1
	nodeIndex       protowire.Number = 2
	nodeTypeName    protowire.Number = 3
	nodeStart       protowire.Number = 8
	nodeEnd         protowire.Number = 9
	nodeError       protowire.Number = 11
	nodeChild       protowire.Number = 12
	nodeParentType  protowire.Number = 13
	nodeOriginal    protowire.Number = 14
	errorMessage    protowire.Number = 1
	errorLocation   protowire.Number = 2
	errorJSON       protowire.Number = 4
	locationLine    protowire.Number = 1
	locationColumn  protowire.Number = 2
	timestampSecond protowire.Number = 1
	timestampNano   protowire.Number = 2
)

// trace measures one operation. Goroutines may measure different root fields at once.
type trace struct {
	start  time.Time
	fields []traceTimes // by root field
}

// traceTimes are counted from the start of the trace.
type traceTimes struct{ start, end time.Duration }

// traceOf begins a trace where a gateway of Apollo asks a subgraph for one, and returns nil elsewhere.
func (g *Graph) traceOf(h http.Header, p *plan) *trace {
	if !g.options.Federation || h.Get(traceHeader) != traceExtension {
		return nil
	}
	return &trace{start: time.Now(), fields: make([]traceTimes, len(p.fields))}
}

// measure notes when root fields are fetched: from now until the returned function is called.
func (t *trace) measure(fields []int) (done func()) {
	start := time.Since(t.start)
	return func() {
		end := time.Since(t.start)
		for _, i := range fields {
			t.fields[i] = traceTimes{start, end}
		}
	}
}

// traceNode is a place in a response.
type traceNode struct {
	step     ast.PathElement // nil: the response itself
	field    *rootField      // nil: none of the root type
	times    traceTimes
	errors   gqlerror.List
	children []*traceNode
}

// extend adds the trace to a response.
func (t *trace) extend(r *graphql.Response, x *execution) {
	end := time.Now()
	root := &traceNode{}
	for i, f := range x.operation.plan.fields {
		root.children = append(root.children, &traceNode{step: ast.PathName(f.key), field: f, times: t.fields[i]})
	}
	for _, err := range r.Errors {
		node := root.at(err.Path)
		node.errors = append(node.errors, err)
	}
	var text []byte
	text = appendTraceMessage(text, traceEnd, appendTraceTime(nil, end))
	text = appendTraceMessage(text, traceStart, appendTraceTime(nil, t.start))
	text = appendTraceNumber(text, traceDuration, uint64(end.Sub(t.start)))
	text = appendTraceMessage(text, traceRoot, root.append(nil, x.graph.typeOf(x.operation.plan.operation)))
	r.Extensions = map[string]any{traceExtension: base64.StdEncoding.EncodeToString(text)}
}

// at returns the node of a path, which may be new.
func (n *traceNode) at(path ast.Path) *traceNode {
	for _, step := range path {
		var next *traceNode
		for _, child := range n.children {
			if child.step == step {
				next = child
			}
		}
		if next == nil {
			next = &traceNode{step: step}
			n.children = append(n.children, next)
		}
		n = next
	}
	return n
}

func (n *traceNode) append(dst []byte, rootType string) []byte {
	switch step := n.step.(type) {
	case ast.PathName:
		dst = appendTraceText(dst, nodeName, string(step))
	case ast.PathIndex:
		dst = appendTraceNumber(dst, nodeIndex, uint64(step))
	}
	if n.field != nil {
		dst = n.appendField(dst, rootType)
	}
	for _, err := range n.errors {
		dst = appendTraceMessage(dst, nodeError, appendTraceError(nil, err))
	}
	for _, child := range n.children {
		dst = appendTraceMessage(dst, nodeChild, child.append(nil, rootType))
	}
	return dst
}

func (n *traceNode) appendField(dst []byte, rootType string) []byte {
	if n.field.definition != nil {
		dst = appendTraceText(dst, nodeTypeName, n.field.definition.Type.String())
	}
	dst = appendTraceNumber(dst, nodeStart, uint64(n.times.start))
	dst = appendTraceNumber(dst, nodeEnd, uint64(n.times.end))
	dst = appendTraceText(dst, nodeParentType, rootType)
	if n.field.name != n.field.key {
		dst = appendTraceText(dst, nodeOriginal, n.field.name)
	}
	return dst
}

func appendTraceError(dst []byte, err *gqlerror.Error) []byte {
	dst = appendTraceText(dst, errorMessage, err.Message)
	for _, at := range err.Locations {
		place := appendTraceNumber(nil, locationLine, uint64(at.Line))
		dst = appendTraceMessage(dst, errorLocation, appendTraceNumber(place, locationColumn, uint64(at.Column)))
	}
	if text, failed := json.Marshal(err); failed == nil {
		dst = appendTraceText(dst, errorJSON, string(text))
	}
	return dst
}

func appendTraceTime(dst []byte, t time.Time) []byte {
	dst = appendTraceNumber(dst, timestampSecond, uint64(t.Unix()))
	return appendTraceNumber(dst, timestampNano, uint64(t.Nanosecond()))
}

func appendTraceText(dst []byte, n protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, n, protowire.BytesType), text)
}

func appendTraceMessage(dst []byte, n protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, n, protowire.BytesType), body)
}

func appendTraceNumber(dst []byte, n protowire.Number, number uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, n, protowire.VarintType), number)
}
