package resilience

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

// A value is how an answer is kept outside of this process: a mark with the version of the form, a digest
// over the key and all that follows, how long the answer is good for in all in milliseconds, when it was sealed in
// Unix seconds, header, trailer, and the message to the end. Lengths and numbers are varints. The key is part of the
// digest, so that a value under another key is none.
const valueMark = "protean2"

// valueSeal is the secret that values are sealed with. With one, the digest is HMAC-SHA-256 (RFC 2104), and a value is
// good for no longer than it says after it was sealed, so that whoever can write to the store can neither make an answer nor bring
// an old one back. Without, it is SHA-256, which finds what is damaged.
type valueSeal string

// sealSkew is how far the clocks of gateways that share a secret may differ.
const sealSkew = time.Minute

// The bounds of the metadata of a value.
const (
	maxValueNames    = 128
	maxMetadataBytes = 64 << 10
)

var errNoValue = errors.New("what is kept under the key is no answer")

// seal writes an answer.
func (s valueSeal) seal(key callKey, a rpc.Response, good time.Duration, now time.Time) []byte {
	value := make([]byte, len(valueMark)+sha256.Size, len(valueMark)+sha256.Size+len(a.Message)+512)
	copy(value, valueMark)
	value = binary.AppendUvarint(value, uint64(good.Milliseconds())) //nolint:gosec // lengths of time are not negative
	value = binary.AppendUvarint(value, uint64(max(now.Unix(), 0)))
	value = appendMetadata(value, a.Header)
	value = appendMetadata(value, a.Trailer)
	value = append(value, a.Message...)
	copy(value[len(valueMark):], s.digest(key, value[len(valueMark)+sha256.Size:]))
	return value
}

func (s valueSeal) digest(key callKey, body []byte) []byte {
	h := sha256.New()
	if s != "" {
		h = hmac.New(sha256.New, []byte(s))
	}
	h.Write(key[:])
	h.Write(body)
	return h.Sum(nil)
}

func appendMetadata(to []byte, md metadata.MD) []byte {
	to = binary.AppendUvarint(to, uint64(len(md)))
	for _, name := range sortedNames(md) {
		to = appendText(to, name)
		to = binary.AppendUvarint(to, uint64(len(md[name])))
		for _, v := range md[name] {
			to = appendText(to, v)
		}
	}
	return to
}

func sortedNames(md metadata.MD) []string {
	names := make([]string, 0, len(md))
	for name := range md {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func appendText(to []byte, text string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(text))), text...)
}

// open reads what stands under a key as if a stranger had written it. The message has as many bytes
// as most at the most. It is a part of value.
func (s valueSeal) open(key callKey, value []byte, most int, now time.Time) (a rpc.Response, good time.Duration, err error) {
	body, marked := bytes.CutPrefix(value, []byte(valueMark))
	if !marked || len(body) < sha256.Size || !hmac.Equal(body[:sha256.Size], s.digest(key, body[sha256.Size:])) {
		return a, 0, errNoValue
	}
	r := valueReader{rest: body[sha256.Size:]}
	const longest = uint64(1<<63-1) / uint64(time.Millisecond)
	good = time.Duration(r.number(longest)) * time.Millisecond //nolint:gosec // bounded
	age := now.Sub(time.Unix(int64(r.number(1<<40)), 0))       //nolint:gosec // bounded
	a.Header, a.Trailer = r.metadata(), r.metadata()
	if r.broken || len(r.rest) > most {
		return rpc.Response{}, 0, errNoValue
	}
	if s != "" && (age < -sealSkew || age-sealSkew > good) {
		return rpc.Response{}, 0, errNoValue
	}
	a.Message = r.rest
	return a, good, nil
}

// valueReader takes a value apart. Once it is broken it stays so.
type valueReader struct {
	rest   []byte
	used   int // bytes of metadata
	broken bool
}

func (r *valueReader) number(most uint64) uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.broken || size <= 0 || n > most {
		r.broken = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *valueReader) text() string {
	n := int(r.number(maxMetadataBytes)) //nolint:gosec // bounded
	if r.broken || n > len(r.rest) || r.used+n > maxMetadataBytes {
		r.broken = true
		return ""
	}
	text := string(r.rest[:n])
	r.rest, r.used = r.rest[n:], r.used+n
	return text
}

func (r *valueReader) metadata() metadata.MD {
	n := r.number(maxValueNames)
	md := make(metadata.MD, n)
	for range n {
		name := r.text()
		values := make([]string, 0, 1)
		for range r.number(maxValueNames) {
			v := r.text()
			if r.broken || !validMetadata(name, v) {
				r.broken = true
				return nil
			}
			values = append(values, v)
		}
		if _, again := md[name]; r.broken || again || !validName(name) {
			r.broken = true
			return nil
		}
		md[name] = values
	}
	return md
}

// validName reports whether a name is one of metadata: lower case, and nothing that HTTP/2 keeps for itself.
func validName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// validMetadata reports whether a value may be sent: printable ASCII, but for binary metadata.
func validMetadata(name, value string) bool {
	if strings.HasSuffix(name, "-bin") {
		return true
	}
	return !strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' })
}
