package schema

import (
	"context"
	"crypto/sha256"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// Compiler compiles, and remembers what became of each backend's files, so that where one backend
// changed the others need not be linked again, nor compiled where none of the others has to do with them. What
// it returns is the same as that of a new one. Descriptors, backends and methods are shared between the snapshots of one
// compiler. The zero value is ready; it is safe for concurrent use.
type Compiler struct {
	mu     sync.Mutex
	linked map[linkKey]*linkedFiles // those of the last snapshots
}

// linkKey says what linked files were made of.
type linkKey struct {
	backend  string // two that have the same files are told apart by their descriptors
	files    string // digest
	overlays [sha256.Size]byte
}

// linkedFiles are the descriptors of one backend. They are immutable but for what is kept with them.
type linkedFiles struct {
	overlaid overlaid // less its files, which the descriptors stand for
	registry *protoregistry.Files
	files    []protoreflect.FileDescriptor
	failed   []linkError // what could not be linked
	unused   int         // compilations since it was asked for

	closures map[string]*closure // by services; with the lock of the compiler
	parts    []keptPart          // the one asked for last first; with the lock of the compiler
}

// keepUnused is for how many compilations linked files are kept that none asked for: a registration
// is compiled when it is judged, and again when it is served, at times with another one between.
const keepUnused = 2

// linking is the linking of one compilation.
type linking struct {
	*Compiler
	overlays [sha256.Size]byte
	asked    map[linkKey]*linkedFiles
}

func (r *Compiler) linking(overlays []*configv1.Overlay) *linking {
	h := sha256.New()
	writeMessages(h, overlays)
	return &linking{Compiler: r, overlays: [sha256.Size]byte(h.Sum(nil)), asked: make(map[linkKey]*linkedFiles)}
}

// link returns the descriptors of files with overlays merged in. Files without a digest are linked
// anew each time.
func (l *linking) link(ctx context.Context, backend string, files *Files, overlays *overlays) *linkedFiles {
	key := linkKey{backend, files.Digest, l.overlays}
	if known := l.known(key); known != nil {
		l.asked[key] = known
		return known
	}
	made := &linkedFiles{overlaid: overlays.apply(files.Set.GetFile())}
	made.registry, made.files, made.failed = link(ctx, made.overlaid.files)
	made.overlaid.files = nil
	if files.Digest != "" && ctx.Err() == nil {
		l.asked[key] = made
	}
	return made
}

func (l *linking) known(key linkKey) *linkedFiles {
	if made := l.asked[key]; made != nil {
		return made
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.linked[key]
}

// done keeps what was asked for, and for a while what was not.
func (l *linking) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.linked == nil {
		l.linked = make(map[linkKey]*linkedFiles)
	}
	for key, made := range l.linked {
		if made.unused++; made.unused > keepUnused {
			delete(l.linked, key)
		}
		made.forgetParts()
	}
	for key, made := range l.asked {
		made.unused = 0
		l.linked[key] = made
	}
}
