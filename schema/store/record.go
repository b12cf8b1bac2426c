package store

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// A record is SHA-256 over a serialized Revision, and the Revision, which has no digest of
// its own: the sum is its digest.

// sealRecord gives r its digest and returns the record.
func sealRecord(r *adminv1.Revision) ([]byte, error) {
	r.Digest = ""
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(r)
	if err != nil {
		return nil, err
	}
	if len(text) > maxRecordBytes {
		return nil, fmt.Errorf("%w: beside the descriptors it has %d bytes; the limit is %d", ErrTooLarge, len(text), maxRecordBytes)
	}
	sum := sha256.Sum256(text)
	r.Digest = hex.EncodeToString(sum[:])
	return append(sum[:], text...), nil
}

func openRecord(sealed []byte) (*adminv1.Revision, error) {
	if len(sealed) < sha256.Size || len(sealed) > sha256.Size+maxRecordBytes {
		return nil, fmt.Errorf("%w: a record has %d bytes", ErrDamaged, len(sealed))
	}
	text := sealed[sha256.Size:]
	if sum := sha256.Sum256(text); !bytes.Equal(sum[:], sealed[:sha256.Size]) {
		return nil, fmt.Errorf("%w: the digest of a record does not fit", ErrDamaged)
	}
	r := &adminv1.Revision{}
	if err := proto.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%w: a record cannot be read", ErrDamaged)
	}
	if r.GetBackend() == "" || r.GetNumber() < 1 || r.GetDeleted() != (r.GetDescriptorsDigest() == "") {
		return nil, fmt.Errorf("%w: a record of %q does not make sense", ErrDamaged, r.GetBackend())
	}
	r.Digest = hex.EncodeToString(sealed[:sha256.Size])
	r.Descriptors, r.Sdl, r.Openapi = nil, "", ""
	return r, nil
}

// sealContent compresses descriptors, which shrink to a fifth.
func sealContent(descriptors []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(descriptors); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func openContent(sealed []byte, digest string) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(sealed))
	if err != nil {
		return nil, fmt.Errorf("%w: descriptors cannot be unpacked", ErrDamaged)
	}
	descriptors, err := io.ReadAll(io.LimitReader(r, MaxDescriptorBytes+1))
	if err != nil || len(descriptors) > MaxDescriptorBytes {
		return nil, fmt.Errorf("%w: descriptors cannot be unpacked", ErrDamaged)
	}
	if Digest(descriptors) != digest {
		return nil, fmt.Errorf("%w: the digest of descriptors does not fit", ErrDamaged)
	}
	return descriptors, nil
}
