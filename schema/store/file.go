package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// lockTimeout is how long another process may still hold the file, such as one that is being replaced.
const lockTimeout = 5 * time.Second

// The buckets of a file.
var (
	valuesBucket   = []byte("values")
	contentsBucket = []byte("contents")
)

// OpenFile opens a store in a file, which it makes where it is missing. One process
// has it at a time. Every change is on the disk before it is answered.
func OpenFile(path string) (*Store, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s is in use by another process; give each gateway a state folder of its own, or let them share etcd", path)
	} else if err != nil {
		return nil, fmt.Errorf("%s cannot be opened: %w", path, err)
	}
	err = db.Update(func(t *bbolt.Tx) error {
		for _, name := range [][]byte{valuesBucket, contentsBucket} {
			if _, err := t.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = syncFolder(filepath.Dir(path)) // so that a new file keeps its name
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s cannot be written: %w", path, err), db.Close())
	}
	return &Store{place: &file{db: db, changed: make(chan struct{}, 1)}}, nil
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// file is a place in a bbolt database.
type file struct {
	db      *bbolt.DB
	changed chan struct{}
}

type fileTx struct {
	values *bbolt.Bucket
	wrote  bool
}

func (t *fileTx) get(key string) ([]byte, error) { return slices.Clone(t.values.Get([]byte(key))), nil }

func (t *fileTx) put(key string, value []byte) error {
	t.wrote = true
	return t.values.Put([]byte(key), value)
}

func (f *file) update(_ context.Context, do func(tx) error) error {
	var t fileTx
	err := f.db.Update(func(b *bbolt.Tx) error {
		t = fileTx{values: b.Bucket(valuesBucket)}
		return do(&t)
	})
	if err == nil && t.wrote {
		signal(f.changed)
	}
	return err
}

func (f *file) get(_ context.Context, key string) (value []byte, err error) {
	return f.read(valuesBucket, key)
}

func (f *file) content(_ context.Context, digest string) ([]byte, error) {
	return f.read(contentsBucket, digest)
}

func (f *file) read(bucket []byte, key string) (value []byte, err error) {
	err = f.db.View(func(t *bbolt.Tx) error {
		value = slices.Clone(t.Bucket(bucket).Get([]byte(key)))
		return nil
	})
	return value, err
}

func (f *file) putContent(_ context.Context, digest string, content []byte) error {
	return f.db.Update(func(t *bbolt.Tx) error {
		return t.Bucket(contentsBucket).Put([]byte(digest), content)
	})
}

func (f *file) last(_ context.Context, prefix, before string, limit int) (values [][]byte, err error) {
	err = f.db.View(func(t *bbolt.Tx) error {
		c := t.Bucket(valuesBucket).Cursor()
		key, value := seekBefore(c, cmp.Or(before, prefix+"\xff"))
		for ; bytes.HasPrefix(key, []byte(prefix)) && (limit == 0 || len(values) < limit); key, value = c.Prev() {
			values = append(values, slices.Clone(value))
		}
		return nil
	})
	return values, err
}

// seekBefore goes to the greatest key that is less.
func seekBefore(c *bbolt.Cursor, bound string) (key, value []byte) {
	if key, _ := c.Seek([]byte(bound)); key == nil {
		return c.Last()
	}
	return c.Prev()
}

func (f *file) changes() <-chan struct{} { return f.changed }

func (f *file) close() error { return f.db.Close() }
