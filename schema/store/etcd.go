package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Etcd says how an etcd cluster is reached.
type Etcd struct {
	Endpoints []string
	// Prefix stands before all keys. Default: `/protean/`.
	Prefix             string
	Username, Password string
	TLS                *tls.Config // nil: plaintext, or the system's authorities for https
}

const (
	etcdTimeout = 5 * time.Second // of one exchange
	// etcd refuses requests over 1.5 MB; a chunk leaves room for its key.
	chunkBytes   = 1 << 20
	maxChunks    = 2 * MaxDescriptorBytes / chunkBytes // what does not shrink grows a little
	watchPause   = 300 * time.Millisecond              // before a watch that ended is begun again
	maxConflicts = 1000                                // of one update; each means that another one got through
)

// OpenEtcd opens a store in etcd, which several gateways may share. It does not wait for
// etcd: while that is away, what is asked of the store fails within seconds.
func OpenEtcd(o Etcd) (*Store, error) {
	if len(o.Endpoints) == 0 {
		return nil, errors.New("etcd has no endpoints")
	}
	ctx, stop := context.WithCancel(context.Background())
	e := &etcd{
		options: o,
		prefix:  cmp.Or(o.Prefix, "/protean/"),
		changed: make(chan struct{}, 1),
		stop:    stop,
	}
	e.watching.Go(func() { e.watch(ctx, watchedPrefix, clientv3.WithPrefix()) })
	e.watching.Go(func() { e.watch(ctx, namesKey) })
	return &Store{place: e}, nil
}

type etcd struct {
	options  Etcd
	prefix   string
	changed  chan struct{}
	stop     context.CancelFunc
	watching sync.WaitGroup

	mu     sync.Mutex
	client *clientv3.Client // nil until the first connection: with a password, that asks etcd
	closed bool
}

// connected returns the client, which connects by itself, and again, once it is there.
func (e *etcd) connected() (*clientv3.Client, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errors.New("the store is closed")
	}
	if e.client != nil {
		return e.client, nil
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            e.options.Endpoints,
		Username:             e.options.Username,
		Password:             e.options.Password,
		TLS:                  e.options.TLS,
		DialTimeout:          etcdTimeout,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 5 * time.Second,
		Logger:               zap.NewNop(), // errors are returned
		// By default the pause between attempts grows to two minutes in an outage, and so would the wait after it.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: etcdTimeout,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	e.client = client
	return client, nil
}

// exchange runs do with a client and a bound of time.
func (e *etcd) exchange(ctx context.Context, do func(context.Context, *clientv3.Client) error) error {
	client, err := e.connected()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	if err := do(ctx, client); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	return nil
}

func (e *etcd) get(ctx context.Context, key string) ([]byte, error) {
	value, _, err := e.read(ctx, key)
	return value, err
}

// read returns a value and the revision that last changed it; nil and 0 where there is none.
func (e *etcd) read(ctx context.Context, key string) (value []byte, revision int64, err error) {
	err = e.exchange(ctx, func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.Get(ctx, e.prefix+key)
		if err == nil && len(resp.Kvs) == 1 {
			value, revision = resp.Kvs[0].Value, resp.Kvs[0].ModRevision
		}
		return err
	})
	return value, revision, err
}

// etcdTx remembers at which revision each value was read.
type etcdTx struct {
	ctx  context.Context
	etcd *etcd
	read []clientv3.Cmp
	puts []clientv3.Op
}

func (t *etcdTx) get(key string) ([]byte, error) {
	value, revision, err := t.etcd.read(t.ctx, key)
	t.read = append(t.read, clientv3.Compare(clientv3.ModRevision(t.etcd.prefix+key), "=", revision))
	return value, err
}

func (t *etcdTx) put(key string, value []byte) error {
	t.puts = append(t.puts, clientv3.OpPut(t.etcd.prefix+key, string(value)))
	return nil
}

// update is optimistic: what was read must be unchanged when all is put at once.
func (e *etcd) update(ctx context.Context, do func(tx) error) error {
	for range maxConflicts {
		t := &etcdTx{ctx: ctx, etcd: e}
		if err := do(t); err != nil {
			return err
		}
		if len(t.puts) == 0 {
			return nil
		}
		var done bool
		err := e.exchange(ctx, func(ctx context.Context, c *clientv3.Client) error {
			resp, err := c.Txn(ctx).If(t.read...).Then(t.puts...).Commit()
			done = err == nil && resp.Succeeded
			return err
		})
		if err != nil || done {
			return err
		}
	}
	return errors.New("etcd: too many others write at once")
}

func (e *etcd) last(ctx context.Context, prefix, before string, limit int) ([][]byte, error) {
	end := clientv3.GetPrefixRangeEnd(e.prefix + prefix)
	if before != "" {
		end = e.prefix + before
	}
	var values [][]byte
	err := e.exchange(ctx, func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.Get(ctx, e.prefix+prefix, clientv3.WithRange(end), clientv3.WithLimit(int64(limit)),
			clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))
		if err != nil {
			return err
		}
		for _, kv := range resp.Kvs {
			values = append(values, kv.Value)
		}
		return nil
	})
	return values, err
}

// putContent writes the chunks first and their number last, so that what has a number is whole.
func (e *etcd) putContent(ctx context.Context, digest string, content []byte) error {
	chunks := 0
	for rest := content; len(rest) > 0; chunks++ {
		n := min(len(rest), chunkBytes)
		if err := e.putOne(ctx, chunkKey(digest, chunks), rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return e.putOne(ctx, contentKey(digest), []byte(strconv.Itoa(chunks)))
}

func (e *etcd) putOne(ctx context.Context, key string, value []byte) error {
	return e.exchange(ctx, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Put(ctx, e.prefix+key, string(value))
		return err
	})
}

func (e *etcd) content(ctx context.Context, digest string) ([]byte, error) {
	number, err := e.get(ctx, contentKey(digest))
	if err != nil || number == nil {
		return nil, err
	}
	chunks, err := strconv.Atoi(string(number))
	if err != nil || chunks < 0 || chunks > maxChunks {
		return nil, fmt.Errorf("%w: descriptors in %.10q parts", ErrDamaged, number)
	}
	var content bytes.Buffer
	for i := range chunks {
		chunk, err := e.get(ctx, chunkKey(digest, i))
		if err != nil {
			return nil, err
		}
		content.Write(chunk) // what is missing shows in the digest
	}
	return content.Bytes(), nil
}

func contentKey(digest string) string { return "content/" + digest }

func chunkKey(digest string, i int) string { return fmt.Sprintf("chunk/%s/%d", digest, i) }

func (e *etcd) changes() <-chan struct{} { return e.changed }

// watch says that something changed with every event, and whenever it may have missed one: when it
// begins, and again after etcd was away, had no leader, or compacted what it had not seen yet.
func (e *etcd) watch(ctx context.Context, key string, options ...clientv3.OpOption) {
	for ctx.Err() == nil {
		if client, err := e.connected(); err == nil {
			e.watchOnce(ctx, client, key, options)
		}
		select {
		case <-time.After(watchPause):
		case <-ctx.Done():
		}
	}
}

func (e *etcd) watchOnce(ctx context.Context, client *clientv3.Client, key string, options []clientv3.OpOption) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := client.Watch(clientv3.WithRequireLeader(ctx), e.prefix+key, append(slices.Clip(options), clientv3.WithCreatedNotify())...)
	for resp := range events {
		if resp.Err() != nil {
			return
		}
		signal(e.changed)
	}
}

func (e *etcd) close() error {
	e.stop()
	e.watching.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	if e.client == nil {
		return nil
	}
	return e.client.Close()
}
