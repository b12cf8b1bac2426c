package transport

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Coding is a content coding of HTTP (RFC 9110, section 8.4.1). The zero value is identity.
type Coding string

// The codings, besides identity.
const (
	Zstd   Coding = "zstd" // RFC 8878
	Brotli Coding = "br"   // RFC 7932
	GZIP   Coding = "gzip" // RFC 1952
)

// Codings are the codings that are spoken, as Accept-Encoding lists them. Among those
// that a client likes equally the first is chosen.
const Codings = "zstd, br, gzip"

// AllCodings are the same.
var AllCodings = [...]Coding{Zstd, Brotli, GZIP}

// UnsupportedCoding is the text for a body in a coding that is not spoken. Its status is 415, with
// Codings as Accept-Encoding (RFC 9110, section 15.5.16).
const UnsupportedCoding = "the content coding is not supported; supported: " + Codings

// ChooseCoding returns the coding that a client likes best by the lines of its Accept-Encoding, with
// their q-values (RFC 9110, section 12.5.3). A client that says nothing gets identity,
// and so does one that refuses everything: an answer is better than none. Who takes all codings by
// `*` mostly means those that there were when it was written, so that gzip goes first there.
func ChooseCoding(lines []string) (best Coding) {
	if len(lines) == 0 {
		return ""
	}
	weights := acceptedCodings(lines)
	bestWeight := 1 // of 1000: anything that is accepted goes before
	if w, named := weights["identity"]; named {
		bestWeight = w
	}
	choose := func(c Coding, w int) {
		if w > bestWeight || w > 0 && w == bestWeight && best == "" { // as good as identity: smaller is better
			best, bestWeight = c, w
		}
	}
	for _, c := range AllCodings {
		choose(c, weights[string(c)])
	}
	for _, c := range [...]Coding{GZIP, Brotli, Zstd} {
		if _, named := weights[string(c)]; !named {
			choose(c, weights["*"])
		}
	}
	return best
}

// smallestAnswer is the size, in bytes, of answers that are worth compressing.
const smallestAnswer = 1 << 10

// AnswerCoding returns the coding for an answer of so many bytes, as [ChooseCoding] does, and says in the headers of the
// answer, h, where another client might get another one. What is small is compressed only for a client that does not take
// it otherwise.
func AnswerCoding(h http.Header, lines []string, size int) Coding {
	if size < smallestAnswer && !refusesIdentity(lines) {
		return ""
	}
	AddVary(h, VaryAcceptEncoding)
	return ChooseCoding(lines)
}

// refusesIdentity reports whether a client does not take content without a coding by the lines of its
// Accept-Encoding: it says so of identity by name, or of all that it does not name.
func refusesIdentity(lines []string) bool {
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.ContainsAny(line, "*=") }) {
		return false // as most clients write it
	}
	weights := acceptedCodings(lines)
	weight, named := weights["identity"]
	if !named {
		weight, named = weights["*"]
	}
	return named && weight == 0
}

// acceptedCodings returns the q-values, in thousandths, by name in lower case.
func acceptedCodings(lines []string) map[string]int {
	weights := make(map[string]int)
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.ToLower(strings.TrimSpace(name))
			if name == "x-gzip" {
				name = string(GZIP) // RFC 9110, section 8.4.1.3
			}
			weights[name] = Weight(params)
		}
	}
	return weights
}

// Weight returns the q-value among the parameters of an item of an Accept header,
// in thousandths. One that is missing is 1000, one that is malformed 0.
func Weight(params string) int {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return int(q * 1000)
	}
	return 1000
}

// compressor is a writer that can be used again.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// The compressors are quick rather than thorough: an answer is compressed once for
// one client.
var compressors = map[Coding]*sync.Pool{
	Zstd: {New: func() any {
		w, _ := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithLowerEncoderMem(true)) // these options are valid
		return w
	}},
	Brotli: {New: func() any { return brotli.NewWriterLevel(nil, brotliLevel) }},
	GZIP: {New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level exists
		return w
	}},
}

// brotliLevel costs about what gzip's default does.
const brotliLevel = 3

// Compress appends content in a coding to dst. It needs all of the content at once;
// streams are not compressed: a message must not wait for the next one to fill a block,
// and a flush after each would leave little to gain.
func (c Coding) Compress(dst *bytes.Buffer, content []byte) {
	pool := compressors[c]
	w := pool.Get().(compressor)
	defer pool.Put(w)
	w.Reset(dst)
	_, _ = w.Write(content) // a buffer takes everything
	_ = w.Close()
}

// maxZstdWindow bounds the memory that a request can ask a decoder for, in bytes. It is
// what RFC 8878 asks decoders to support.
const maxZstdWindow = 8 << 20

var errBadCoding = status.Error(codes.InvalidArgument, "the body is not what its Content-Encoding says")

// Decode returns the content of a request's body by its Content-Encoding. It reports
// false for codings that are not spoken, and for several. What the content comes to must
// be bounded by the caller. An error of decoding is a status INVALID_ARGUMENT; those of
// body are passed on. Close releases the decoder, and not the body.
func Decode(body io.Reader, h http.Header) (content io.ReadCloser, ok bool) {
	name := strings.ToLower(strings.TrimSpace(strings.Join(h["Content-Encoding"], ",")))
	if name == "" || name == "identity" {
		return io.NopCloser(body), true
	}
	source := &source{Reader: body}
	switch Coding(name) {
	case GZIP, "x-gzip":
		return &decoding{source: source, open: func() (io.Reader, error) { return gzip.NewReader(source) }}, true
	case Brotli:
		return &decoding{source: source, open: func() (io.Reader, error) { return brotli.NewReader(source), nil }}, true
	case Zstd:
		d := &decoding{source: source}
		d.open = func() (io.Reader, error) {
			z, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow),
				zstd.WithDecoderLowmem(true))
			if err == nil {
				d.release = z.Close
			}
			return z, err
		}
		return d, true
	default:
		return nil, false
	}
}

// source remembers how the body ended, which decoders report in words of their own.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.err = err
	return n, err
}

// decoding opens its decoder with the first read: gzip and zstd read a header then, and
// that may block.
type decoding struct {
	source  *source
	open    func() (io.Reader, error)
	content io.Reader
	release func()
}

func (d *decoding) Read(p []byte) (n int, err error) {
	if d.content == nil {
		if d.content, err = d.open(); err != nil {
			d.content = nil
			return 0, d.fault()
		}
	}
	n, err = d.content.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // readers return io.EOF as it is
		err = d.fault()
	}
	return n, err
}

// fault tells a body that broke off from one that is malformed.
func (d *decoding) fault() error {
	if d.source.err != nil && d.source.err != io.EOF { //nolint:errorlint // likewise
		return d.source.err
	}
	return errBadCoding
}

func (d *decoding) Close() error {
	if d.release != nil {
		d.release()
	}
	return nil
}
