package translate

import (
	"encoding/base64"
	"encoding/binary"
	"iter"
	"net/http"
	"strings"
	"unsafe"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// Conditional requests (RFC 9110, section 13) by entity tags. The tag of an answer is the
// field `etag` of its message (AIP-154), or a digest of what is written where that says nothing.
//
// Only what is compared by the backend is a strong tag: AIP-154 wants the field to hold a
// tag with its quotes, `"abc"` or `W/"abc"`, and then it is the header as it stands. Many
// fields have no quotes; they are put in quotes behind unquotedMark, so that If-Match
// can give the backend back just what it said.
const unquotedMark = "~"

// etagField is the field of AIP-154.
const etagField = "etag"

// bindTags finds the fields of entity tags.
func (r *route) bindTags() {
	if r.method.Streams() {
		return
	}
	prefix := ""
	if r.binding.ResponseBody != "" {
		prefix = r.binding.ResponseBody + "."
	}
	r.tag = tagPath(r.method.Output, prefix+etagField)
	if r.ifMatch = tagPath(r.method.Input, etagField); r.ifMatch == nil && r.body != nil {
		r.ifMatch = tagPath(r.method.Input, r.binding.Body+"."+etagField)
	}
}

// tagPath returns the path of a singular string, or nil.
func tagPath(m *wire.Message, dotted string) *wire.Path {
	p, err := m.Path(dotted)
	if err != nil || p.Field().Kind() != protoreflect.StringKind || p.Field().IsList() {
		return nil
	}
	return p
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// checkConditions refuses the conditions of a request that changes something, where they cannot be kept:
// those are not met. A backend can be told which etag to compare, where its method has the field,
// and not that there shall be none.
func (x *exchange) checkConditions(r *http.Request) error {
	switch {
	case isRead(r.Method):
		return nil
	case len(x.headers.ifNoneMatch) > 0:
		return refuse(http.StatusPreconditionFailed, "If-None-Match can be kept for GET and HEAD only")
	case x.headers.wantedTag() != "" && x.route.ifMatch == nil:
		return refuse(http.StatusPreconditionFailed, x.route.method.FullName()+" has no etag that If-Match could be compared with")
	default:
		return nil
	}
}

// wantedTag returns the tags that If-Match names, or nothing for those that any will do: whether
// there is anything is for the backend to say.
func (h *requestHeaders) wantedTag() string {
	tag := strings.TrimSpace(strings.Join(h.ifMatch, ","))
	if tag == "*" {
		return ""
	}
	return tag
}

// appendIfMatch makes If-Match of a request that changes something the field that the
// backend compares.
func (x *exchange) appendIfMatch(dst []byte, r *http.Request) ([]byte, error) {
	if isRead(r.Method) {
		return dst, nil
	}
	if err := x.checkConditions(r); err != nil {
		return nil, err
	}
	tag := x.headers.wantedTag()
	if tag == "" {
		return dst, nil
	}
	path := x.route.ifMatch
	value, ok := fieldOfTag(tag)
	if !ok {
		return nil, refuse(http.StatusBadRequest, "If-Match must have one entity tag")
	}
	said, err := lastText(path, dst)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "the body is not valid")
	}
	if said != "" && said != value {
		return nil, invalid("the body contradicts If-Match about "+path.String(), path.String(), "differs from If-Match")
	}
	x.matched = true
	return path.AppendValues(dst, []wire.Value{{Text: value}})
}

// unmatched gives an error its HTTP status where the backend found that If-Match is not
// met, which AIP-154 says as ABORTED.
func (x *exchange) unmatched(err error) error {
	if !x.matched || status.Code(err) != codes.Aborted && status.Code(err) != codes.FailedPrecondition {
		return err
	}
	return &refusal{http: http.StatusPreconditionFailed, message: statusOf(err).Message(), cause: err}
}

// answerCondition sets the tag of an answer with a body, and reports whether that is all the client
// wants: it has the same one already. Where If-Match of a read is not met it returns an error.
func (x *exchange) answerCondition(r *http.Request, s *unaryStream, body []byte) (done bool, err error) {
	if !isRead(r.Method) || httpCode(s.header) != http.StatusOK {
		return false, nil
	}
	tag, err := x.tag(s.message, body)
	if err != nil {
		return false, err
	}
	if wanted := x.headers.ifMatch; len(wanted) > 0 && !listsSame(wanted, tag) {
		return false, refuse(http.StatusPreconditionFailed, "the entity tag is another one")
	}
	x.lasting.tag[0] = tag
	x.writer.Header()["Etag"] = x.lasting.tag[:]
	if had := x.headers.ifNoneMatch; len(had) == 0 || !listsAlike(had, tag) {
		return false, nil
	}
	writeHead(x.writer, http.StatusNotModified, 0)
	return true, nil
}

// tag returns the entity tag of an answer with a body. Of a digest it is weak:
// the same message can be written in several ways.
func (x *exchange) tag(msg, body []byte) (string, error) {
	if x.route.tag != nil {
		text, err := lastText(x.route.tag, msg)
		if err != nil {
			return "", answerFault(x.route.method, err)
		}
		if tag := tagOfField(text); tag != "" {
			return tag, nil
		}
	}
	return tagOfBody(&x.lasting.digest, body), nil
}

// tagOfBody writes a weak tag and returns it. Like strings.Builder, it does not copy what is not written to any more. The
// digest is the same in all processes and versions. It has 64 bits and is no cryptography: two answers of
// one URL do not have the same one by chance, but who writes what the backend answers could make two that do, and
// clients that had the one would not be sent the other.
func tagOfBody(tag *digestTag, body []byte) string {
	var digest [8]byte
	binary.BigEndian.PutUint64(digest[:], xxhash.Sum64(body))
	copy(tag[:], `W/"`)
	base64.RawURLEncoding.Encode(tag[len(`W/"`):], digest[:])
	tag[len(tag)-1] = '"'
	return unsafe.String(&tag[0], len(tag))
}

// digestTag is the text of a tag with a digest of 8 bytes. It is written to once.
type digestTag [len(`W/"`) + 11 + len(`"`)]byte

// tagOfField returns the entity tag that a field says, or nothing for an empty one and for
// text that no tag can have.
func tagOfField(text string) string {
	if isTag(text) {
		return text
	}
	if text == "" || !isTag(`"`+text+`"`) {
		return ""
	}
	return `"` + unquotedMark + text + `"`
}

// fieldOfTag is the way back of tagOfField. A tag without quotes, which HTTP does not
// know, is what a client found in the JSON of the field.
func fieldOfTag(tag string) (text string, ok bool) {
	if inner, marked := strings.CutPrefix(tag, `"`+unquotedMark); marked {
		inner, ok = strings.CutSuffix(inner, `"`)
		return inner, ok && isTag(tag)
	}
	return tag, isTag(tag) || isTag(`"`+tag+`"`)
}

// isTag reports whether a text is one entity tag (RFC 9110, section 8.8.3).
func isTag(text string) bool {
	text = strings.TrimPrefix(text, "W/")
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return false
	}
	for _, c := range []byte(text[1 : len(text)-1]) {
		if c <= ' ' || c == '"' || c >= 0x7f {
			return false
		}
	}
	return true
}

// listsSame reports whether a list has a tag by the strong comparison, which no weak tag passes (RFC
// 9110, section 13.1.1), or has any.
func listsSame(lines []string, tag string) bool {
	for item := range tags(lines) {
		if item == "*" || item == tag && tag[0] == '"' {
			return true
		}
	}
	return false
}

// listsAlike reports whether a list has a tag by the weak comparison (section 13.1.2), or has any: what
// is asked for is whether the client's copy will do.
func listsAlike(lines []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for item := range tags(lines) {
		if item == "*" || strings.TrimPrefix(item, "W/") == tag {
			return true
		}
	}
	return false
}

// tags are the items of a list of entity tags. There may be commas in them.
func tags(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for line = strings.TrimLeft(line, " \t,"); line != ""; line = strings.TrimLeft(line, " \t,") {
				end := tagEnd(line)
				if !yield(strings.TrimRight(line[:end], " \t")) {
					return
				}
				line = line[end:]
			}
		}
	}
}

// tagEnd returns where the first item of a list ends: behind the tag, or what is none, before
// the next comma.
func tagEnd(list string) int {
	start := len(list) - len(strings.TrimPrefix(list, "W/"))
	if start < len(list) && list[start] == '"' {
		if closing := strings.IndexByte(list[start+1:], '"'); closing >= 0 {
			return start + 1 + closing + 1
		}
	}
	if comma := strings.IndexByte(list, ','); comma >= 0 {
		return comma
	}
	return len(list)
}
