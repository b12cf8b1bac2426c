package schema

import "context"

// Pushed is a source whose files were registered with the gateway. It never fails, and a
// [Registry] has its files at once.
type Pushed struct {
	Files *Files
}

// Kind implements [Source].
func (s *Pushed) Kind() string { return "registered" }

// Paths implements [Source]: there are none.
func (s *Pushed) Paths() []string { return nil }

// Load implements [Source].
func (s *Pushed) Load(context.Context) (*Files, error) { return s.Files, nil }

// ParseDescriptors makes the files of one backend out of a serialized
// google.protobuf.FileDescriptorSet or a Buf image, as [DescriptorFile] does.
func ParseDescriptors(raw []byte) (*Files, error) {
	if len(raw) > maxFilesBytes {
		return nil, errTooManyBytes
	}
	return parseDescriptorSet(raw)
}
