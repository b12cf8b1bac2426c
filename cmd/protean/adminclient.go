package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
)

// adminClient calls the admin service of a running gateway, by the Connect protocol.
type adminClient struct {
	getenv func(string) string
	admin  string
	token  string
	output string
}

const (
	adminTimeout     = 2 * time.Minute // registrations wait for their server and are compiled
	maxAdminResponse = 32 << 20
)

func (a *adminClient) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.admin, "admin", gateway.DefaultAdmin, "the admin `ADDR` of the gateway; https://ADDR with TLS")
	f.StringVar(&a.token, "token", "", "the owner's `TOKEN`, or file:PATH; better given as PROTEAN_TOKEN, since arguments are seen by others")
	f.StringVarP(&a.output, "output", "o", "text", "the `FORMAT` of what is printed: text or json")
}

// read takes from the environment what was not said.
func (a *adminClient) read(cmd *cobra.Command) error {
	for _, name := range []string{"admin", "token", "output"} {
		if err := fromEnvironment(cmd, a.getenv, name); err != nil {
			return err
		}
	}
	if a.output != "text" && a.output != "json" {
		return usagef(cmd, "--output %s: expected text or json", a.output)
	}
	token, err := gateway.Secret(a.token)
	a.token = strings.TrimSpace(token)
	return err
}

// adminError is what the service refused.
type adminError struct {
	Code    string        `json:"code"`
	Message string        `json:"message"`
	Details []errorDetail `json:"details"`
}

type errorDetail struct {
	Type  string `json:"type"`
	Value string `json:"value"` // base64 of the message
}

func (e *adminError) Error() string { return e.Message + " (" + e.Code + ")" }

// detail reads the detail of the type of m, if there is one.
func (e *adminError) detail(m proto.Message) bool {
	for _, d := range e.Details {
		if d.Type != string(m.ProtoReflect().Descriptor().FullName()) {
			continue
		}
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(d.Value, "="))
		return err == nil && proto.Unmarshal(raw, m) == nil
	}
	return false
}

// call calls a unary method of the admin service.
func (a *adminClient) call(ctx context.Context, method string, in, out proto.Message) error {
	body, err := proto.Marshal(in)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base()+"/protean.admin.v1.AdminService/"+method, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("--admin %s: %w", a.admin, err)
	}
	r.Header.Set("Content-Type", "application/proto")
	r.Header.Set("Connect-Protocol-Version", "1")
	if a.token != "" {
		r.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("the gateway does not answer: %w; --admin says where its admin address is", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAdminResponse))
	if err != nil {
		return fmt.Errorf("the gateway's answer broke off: %w", err)
	}
	if resp.StatusCode == http.StatusOK && resp.Header.Get("Content-Type") == "application/proto" {
		return proto.Unmarshal(answer, out)
	}
	refused := &adminError{}
	if json.Unmarshal(answer, refused) != nil || refused.Code == "" {
		return fmt.Errorf("%s is no admin address of a gateway: it answered %s", a.admin, resp.Status)
	}
	if refused.Code == "unauthenticated" && a.token == "" {
		refused.Message += "; give one as PROTEAN_TOKEN"
	}
	return refused
}

func (a *adminClient) base() string {
	if strings.Contains(a.admin, "://") {
		return strings.TrimSuffix(a.admin, "/")
	}
	return "http://" + a.admin
}
