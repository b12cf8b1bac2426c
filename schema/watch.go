package schema

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long after a first change further ones are waited for, so that
// files written together are loaded together.
const settleTime = 100 * time.Millisecond

// Watch calls changed after one of the files or folders changed, until ctx ends,
// and once when it is on guard. It watches the folder that a file is in, because a
// file is best replaced by renaming another over it. Where the system cannot watch
// (too many watches, a network file system) the registry's polling has to do.
func Watch(ctx context.Context, paths []string, changed func()) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return
	}
	defer func() { _ = notify.Close() }()
	w := watcher{notify: notify, changed: changed}
	for _, path := range paths {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return
		}
		w.paths = append(w.paths, absolute)
	}
	_ = Guard(func() error { w.run(ctx); return nil })
}

type watcher struct {
	notify  *fsnotify.Watcher
	paths   []string
	changed func()
}

func (w *watcher) run(ctx context.Context) {
	settled := time.After(0)
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-w.notify.Events:
			if !ok {
				return
			}
			if settled == nil && w.concerns(event) {
				settled = time.After(settleTime)
			}
		case _, ok := <-w.notify.Errors: // events were lost
			if !ok {
				return
			}
			settled = time.After(settleTime)
		case <-settled:
			settled = nil
			w.guard()
			w.changed()
		}
	}
}

// guard watches what there is to watch now. It is repeated after changes, for
// folders that are new; a watched one stays watched.
func (w *watcher) guard() {
	for _, path := range w.paths {
		_ = w.notify.Add(filepath.Dir(path))
		w.guardFolders(path)
	}
}

// guardFolders watches a folder and those in it, within bounds; a file not at all.
func (w *watcher) guardFolders(path string) {
	entries := 0
	_ = filepath.WalkDir(path+string(filepath.Separator), func(name string, entry fs.DirEntry, err error) error {
		if entries++; entries > maxFolderEntries {
			return fs.SkipAll
		}
		if err == nil && entry.IsDir() { // what cannot be read cannot be watched
			if filepath.Clean(name) != path && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			_ = w.notify.Add(name)
		}
		return nil
	})
}

// concerns reports whether an event may have changed what a source reads: one within a
// watched folder, of the watched file itself, or of the links by which Kubernetes
// replaces all files of a volume at once.
func (w *watcher) concerns(event fsnotify.Event) bool {
	if event.Op == fsnotify.Chmod {
		return false
	}
	for _, path := range w.paths {
		name := filepath.Clean(event.Name)
		if name == path || strings.HasPrefix(name, path+string(os.PathSeparator)) {
			return true
		}
		if filepath.Dir(name) == filepath.Dir(path) && strings.HasPrefix(filepath.Base(name), "..") {
			return true
		}
	}
	return false
}
