package resilience

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// DefaultValueBytes is the largest answer that is kept on the server where nothing else is said.
const DefaultValueBytes = 256 << 10

// keepTimeout bounds how long an answer is on its way to the server. No call waits for it.
const keepTimeout = 250 * time.Millisecond

// fetch returns what the server has under a key, and for how much longer; nil: nothing that can be of use. It
// takes no longer than the budget, and reads no more than the largest value.
func (r *Redis) fetch(key callKey) (value []byte, left time.Duration, err error) {
	if !r.answers.mayAsk() {
		return nil, 0, errLeftDown
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.o.Budget)
	defer cancel()
	name := r.nameOf(key)
	var part *redis.StringCmd
	var expires *redis.DurationCmd
	_, err = r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		part = p.GetRange(ctx, name, 0, int64(r.o.ValueBytes)) // one byte more than it may have
		expires = p.PTTL(ctx, name)
		return nil
	})
	r.answers.note(err == nil)
	if err != nil {
		return nil, 0, err
	}
	text, left := part.Val(), expires.Val()
	if text == "" || len(text) > r.o.ValueBytes || left <= 0 {
		return nil, 0, nil
	}
	return []byte(text), left, nil
}

// keep puts a value under a key for a time. That its memory is full does not make the server one that
// does not answer.
func (r *Redis) keep(ctx context.Context, key callKey, value []byte, span time.Duration) error {
	if span < time.Millisecond {
		return errTooLate // and would be kept for ever
	}
	if !r.answers.mayAsk() {
		return errLeftDown
	}
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	err := r.client.Set(ctx, r.nameOf(key), value, span).Err()
	r.answers.note(!unreachable(err))
	return err
}

var errTooLate = errors.New("the answer is of no use any more")

// unreachable reports whether an error is anything but the server's own words.
func unreachable(err error) bool {
	var said redis.Error
	return err != nil && !errors.As(err, &said)
}

func (r *Redis) seal() valueSeal { return valueSeal(r.o.Seal) }

func (r *Redis) nameOf(key callKey) string { return r.o.Prefix + "cache:" + hex.EncodeToString(key[:]) }
