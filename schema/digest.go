package schema

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/proto"
)

// digestInput returns SHA-256 over an input, in hexadecimal. The names are those that
// came out.
func digestInput(in Input, names *Names) string {
	h := sha256.New()
	writeText(h, strconv.FormatBool(in.AIPVerbsOff))
	writeText(h, strconv.FormatBool(in.PrefixFields))
	writeCount(h, len(in.Backends))
	for _, b := range in.Backends {
		writeText(h, b.Name)
		writeText(h, filesDigest(b.Files))
		writeProblems(h, b.Files)
		writeTexts(h, b.Served)
		b.Claims.digest(h)
	}
	writeMessages(h, in.Overlays)
	writeMessages(h, in.Policies)
	writeMessages(h, in.Registered)
	writeMessages(h, in.RegisteredFields)
	writeNames(h, names.Types)
	writeNames(h, names.Fields)
	return hex.EncodeToString(h.Sum(nil))
}

// writeProblems adds nothing where there are none.
func writeProblems(h hash.Hash, f *Files) {
	if f == nil {
		return
	}
	for _, p := range f.Problems {
		writeText(h, p.String())
	}
}

func filesDigest(f *Files) string {
	if f == nil {
		return ""
	}
	return f.Digest
}

func writeMessages[M proto.Message](h hash.Hash, messages []M) {
	writeCount(h, len(messages))
	for _, m := range messages {
		// Marshalling what was parsed cannot fail; required fields there are none.
		text, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		writeDigest(h, text)
	}
}

func writeNames(h hash.Hash, names map[string]string) {
	writeCount(h, len(names))
	for _, fullName := range slices.Sorted(maps.Keys(names)) {
		writeText(h, fullName)
		writeText(h, names[fullName])
	}
}

func writeTexts(h hash.Hash, texts []string) {
	writeCount(h, len(texts))
	for _, text := range texts {
		writeText(h, text)
	}
}

func writeText(h hash.Hash, text string) { writeDigest(h, []byte(text)) }

func writeCount(h hash.Hash, n int) { writeText(h, strconv.Itoa(n)) }

// writeDigest adds a part behind its length, so that no two lists of parts are
// the same bytes.
func writeDigest(h hash.Hash, part []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(part)))
	h.Write(length[:])
	h.Write(part)
}
