package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of connectrpc/conformance/v1/server_compat.proto, whose Go the
// suite keeps to itself, as far as they are needed.

// request is a ServerCompatRequest.
type request struct {
	tls              bool
	clientAuthority  []byte // PEM; empty: clients need no certificate
	receiveLimit     uint64 // bytes; 0: no limit
	certificate, key []byte // PEM
}

// response is a ServerCompatResponse.
type response struct {
	port        int
	certificate []byte
}

const (
	protocolGRPC = 2
	httpVersion2 = 2
)

func parseRequest(body []byte) (r request, err error) {
	err = fields(body, func(number protowire.Number, value uint64, content []byte) error {
		switch number {
		case 4:
			r.tls = value != 0
		case 5:
			r.clientAuthority = content
		case 6:
			r.receiveLimit = value
		case 7:
			return fields(content, func(number protowire.Number, _ uint64, content []byte) error {
				switch number {
				case 1:
					r.certificate = content
				case 2:
					r.key = content
				}
				return nil
			})
		}
		return nil
	})
	return r, err
}

// backendRequest asks for a server of gRPC in plaintext, with the same limit.
func backendRequest(r request) []byte {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), protocolGRPC)
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), httpVersion2)
	return protowire.AppendVarint(protowire.AppendTag(b, 6, protowire.VarintType), r.receiveLimit)
}

func (r response) marshal() []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "127.0.0.1")
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(r.port))
	return protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), r.certificate)
}

func parsePort(body []byte) (port int, err error) {
	err = fields(body, func(number protowire.Number, value uint64, _ []byte) error {
		if number == 2 {
			port = int(value)
		}
		return nil
	})
	return port, err
}

// fields calls f for each field of a message: a number or a content.
func fields(body []byte, f func(protowire.Number, uint64, []byte) error) error {
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return protowire.ParseError(n)
		}
		body = body[n:]
		var value uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			value, n = protowire.ConsumeVarint(body)
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(body)
		default:
			return fmt.Errorf("field %d has the unexpected type %d", number, kind)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := f(number, value, content); err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

const maxMessage = 1 << 20

func readMessage(r io.Reader) ([]byte, error) {
	var size uint32
	if err := binary.Read(r, binary.BigEndian, &size); err != nil {
		return nil, err
	}
	if size > maxMessage {
		return nil, errors.New("the message is too large")
	}
	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return body, err
}

func writeMessage(w io.Writer, body []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}
