package translate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"sync/atomic"

	"github.com/protean-gateway/protean/translate/transport"
)

// openDocument is a document in both forms, each made when it is first asked for.
type openDocument struct {
	json, yaml *openForm
	size       atomic.Int64 // of all that was made, in bytes
}

func newOpenDocument(build func() ([]byte, error)) *openDocument {
	d := new(openDocument)
	d.json = d.form(typeJSON, build)
	d.yaml = d.form("application/yaml", func() ([]byte, error) {
		document, err := d.json.text()
		if err != nil {
			return nil, err
		}
		return toYAML(document)
	})
	return d
}

// openForm is a document as a text, and the same compressed.
type openForm struct {
	contentType string
	text        func() ([]byte, error)
	digest      func() string // of the text, in hexadecimal; empty where there is none
	coded       map[transport.Coding]func() []byte
}

// form returns one that is made by build. All that is made of it is made once, and counts for the size of the document.
func (d *openDocument) form(contentType string, build func() ([]byte, error)) *openForm {
	f := &openForm{contentType: contentType, coded: make(map[transport.Coding]func() []byte)}
	f.text = sync.OnceValues(func() ([]byte, error) {
		text, err := build()
		d.size.Add(int64(len(text)))
		return text, err
	})
	f.digest = sync.OnceValue(func() string {
		text, err := f.text()
		if err != nil {
			return ""
		}
		sum := sha256.Sum256(text)
		return hex.EncodeToString(sum[:16])
	})
	for _, c := range transport.AllCodings {
		f.coded[c] = sync.OnceValue(func() []byte {
			text, _ := f.text() // who asks has it
			var b bytes.Buffer
			c.Compress(&b, text)
			d.size.Add(int64(b.Len()))
			return bytes.Clone(b.Bytes())
		})
	}
	return f
}

// in returns the text in a coding, and its entity tag, which is another one for each since there are ranges.
func (f *openForm) in(coding transport.Coding, text []byte) (content []byte, tag string) {
	if coding == "" {
		return text, `"` + f.digest() + `"`
	}
	return f.coded[coding](), `"` + f.digest() + "-" + string(coding) + `"`
}
