package schema

import (
	"context"
	"errors"
	"maps"
	"slices"
)

// Pushed is a source whose files were registered with the gateway. It never fails, and a
// [Registry] has its files at once.
type Pushed struct {
	Files *Files
	// Running asks the servers that run, to see whether they are of the files. Nil: they are taken to be.
	Running *Reflection
}

// Kind implements [Source].
func (s *Pushed) Kind() string { return "registered" }

// Paths implements [Source]: there are none.
func (s *Pushed) Paths() []string { return nil }

// Load implements [Source]. A [SkewError] says that a server runs another version; the files
// stay what was registered. A server that does not answer reflection does not count.
func (s *Pushed) Load(ctx context.Context) (*Files, error) {
	if s.Running == nil {
		return s.Files, nil
	}
	running, err := s.Running.Load(ctx)
	if _, skew := errors.AsType[*SkewError](err); err != nil && !skew {
		return s.Files, nil // nothing is known of servers without reflection
	}
	return s.Files, s.compare(running)
}

// compare compares what was registered with what each server said last. Compilers and servers
// write the same files in different ways, so it is only looked at what can be said with them.
func (s *Pushed) compare(running *Files) error {
	answers := s.Running.answers
	if answers == nil {
		answers = map[string]*Files{"its address": running}
	}
	registered := serviceShapes(s.Files)
	skew := &SkewError{Registered: true}
	absent := make(map[string][]string)
	for _, v := range versionsOf(answers) {
		running := serviceShapes(answers[v.From[0]])
		found := otherShapes(registered, running)
		if len(found) == 0 {
			continue
		}
		skew.Versions = append(skew.Versions, v)
		skew.Differ = append(skew.Differ, found...)
		for _, name := range found {
			if running[name] == "" {
				absent[name] = append(absent[name], v.From...)
			}
		}
	}
	if len(skew.Differ) == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(absent)) {
		skew.Absent = append(skew.Absent, AbsentService{name, absent[name]})
	}
	slices.Sort(skew.Differ)
	skew.Differ = slices.Compact(skew.Differ)
	return skew
}

// otherShapes returns the registered services that a server has otherwise or not at all. What it has
// besides is not served.
func otherShapes(registered, running map[string]string) (differ []string) {
	for _, name := range slices.Sorted(maps.Keys(registered)) {
		if running[name] != registered[name] {
			differ = append(differ, name)
		}
	}
	return differ
}

// ParseDescriptors makes the files of one backend out of a serialized
// google.protobuf.FileDescriptorSet or a Buf image, as [DescriptorFile] does. What is missing is an error.
func ParseDescriptors(raw []byte) (*Files, error) {
	if len(raw) > maxFilesBytes {
		return nil, errTooManyBytes
	}
	files, err := parseDescriptorSet(raw)
	if err == nil {
		err = files.Whole()
	}
	if err != nil {
		return nil, err
	}
	return files, nil
}
