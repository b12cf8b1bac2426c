package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
)

// callGraphReserved sends an operation by the single connection mode of graphql-sse: the stream is
// reserved by PUT and opened by GET, and then POST starts the operation, whose responses come in
// the stream.
func callGraphReserved(c *matrixCall) (v verdict, err error) {
	header := func(more http.Header) http.Header {
		h := http.Header{"Accept": {"text/event-stream"}, "Graphql-Preflight": {"1"}}
		maps.Copy(h, more)
		return h
	}
	target := "http://" + c.address + "/graphql"
	res, token, err := c.exchange(http.MethodPut, target, nil, header(nil))
	if err != nil || res.StatusCode != http.StatusCreated {
		return v, v.orRefused(err, res, token)
	}
	reserved := http.Header{"X-Graphql-Event-Stream-Token": {string(token)}}

	way := c.way()
	defer way.CloseIdleConnections()
	stream, err := c.open(way, http.MethodGet, target, nil, header(reserved))
	if err != nil {
		return v, err
	}
	defer stream.Body.Close()
	if stream.StatusCode != http.StatusOK {
		refused, err := io.ReadAll(stream.Body)
		return v, v.orRefused(err, stream, refused)
	}

	operation := c.graphOperation()
	operation["extensions"] = map[string]string{"operationId": "1"}
	body, err := json.Marshal(operation)
	if err != nil {
		return v, err
	}
	start := header(reserved)
	start.Set("Content-Type", "application/json")
	if c.timeout > 0 {
		start.Set("X-Request-Timeout", c.milliseconds()+"ms")
	}
	res, answer, err := c.exchange(http.MethodPost, target, body, start)
	if err != nil || res.StatusCode != http.StatusAccepted {
		return v, v.orRefused(err, res, answer)
	}
	return v, v.readReserved(bufio.NewScanner(stream.Body))
}

// orRefused takes an answer that refuses a step on the way to an operation.
func (v *verdict) orRefused(err error, res *http.Response, answer []byte) error {
	if err != nil {
		return err
	}
	return v.addWhole("", res, answer)
}

// readReserved takes the events of the operation, until that is complete. The stream goes on.
func (v *verdict) readReserved(lines *bufio.Scanner) error {
	lines.Buffer(nil, 2*matrixLimit)
	event := ""
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var m struct {
			ID      string
			Payload json.RawMessage
		}
		if err := json.Unmarshal([]byte(data), &m); err != nil || m.ID != "1" {
			return fmt.Errorf("%s %q", event, data)
		}
		if event == "complete" {
			return nil
		}
		if err := v.addResponse(m.Payload); err != nil {
			return err
		}
	}
	return fmt.Errorf("the stream ended: %w", lines.Err())
}
