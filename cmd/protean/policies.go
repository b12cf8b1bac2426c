package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

func policiesCommand(getenv func(string) string) *cobra.Command {
	c := &cobra.Command{
		Use:   "policies",
		Short: "Say policies to a running gateway, and see what they came to",
		Long: `Policies that are said to a running gateway go before those of its configuration and of
.proto files, kind by kind and whatever the selectors. They hold at once, survive a restart where
registrations do, and reach all gateways that share etcd. Where there are owners, an operator's
token is needed to say them.

  protean policies list
  protean policies put acme.reports.* --file slow.yaml --reason 'reports are slow today'
  protean policies delete acme.reports.*
  protean policies states --kind breaker`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(listPoliciesCommand(getenv), putPolicyCommand(getenv), deletePolicyCommand(getenv), policyStatesCommand(getenv))
	return c
}

func listPoliciesCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the policies that were said to a running gateway",
		Example: `  protean policies list --output json`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			all := &adminv1.ListPoliciesResponse{}
			for token := ""; ; {
				page := &adminv1.ListPoliciesResponse{}
				if err := client.call(cmd.Context(), "ListPolicies", &adminv1.ListPoliciesRequest{PageSize: 500, PageToken: token}, page); err != nil {
					return err
				}
				all.Policies = append(all.Policies, page.GetPolicies()...)
				if token = page.GetNextPageToken(); token == "" {
					break
				}
			}
			return client.show(cmd, all, func(p *printer) {
				for _, one := range all.GetPolicies() {
					p.policy(one)
				}
			})
		},
	}
	client.addTo(c)
	return c
}

func (p *printer) policy(one *adminv1.RegisteredPolicy) {
	fmt.Fprintf(p.out, "%s  revision %d (%s)", p.in(bold, one.GetSelector()), one.GetNumber(), short(one.GetDigest()))
	if one.GetOwner() != "" {
		fmt.Fprintf(p.out, " of %s", one.GetOwner())
	}
	fmt.Fprintf(p.out, ", %s\n", one.GetCreateTime().AsTime().Format("2006-01-02 15:04:05Z"))
	if one.GetReason() != "" {
		fmt.Fprintf(p.out, "  why      %s\n", plain(one.GetReason()))
	}
	if one.GetField() != nil {
		fmt.Fprintf(p.out, "  field    %s\n", fieldSaid(one.GetField()))
		return
	}
	m := one.GetPolicy().ProtoReflect()
	for i := range m.Descriptor().Fields().Len() {
		if kind := m.Descriptor().Fields().Get(i); m.Has(kind) {
			fmt.Fprintf(p.out, "  policy   %s %s\n", kind.Name(), gateway.CompactJSON(m.Get(kind).Message().Interface()))
		}
	}
}

func putPolicyCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	in := &adminv1.PutPolicyRequest{}
	file, text, override, field := "", "", "", false
	c := &cobra.Command{
		Use:   "put SELECTOR (--file FILE | --policy TEXT)",
		Short: "Say a policy of methods, or of a field, to a running gateway",
		Long: `Says a policy in place of what was said of the selector to the gateway before. It is written
as below ` + "`policy:`" + ` in a configuration, in YAML or JSON. A policy that opens a method, uncovers a
field or breaks clients is rejected by the compatibility check, unless there is an override with a
reason. A selector that matches nothing that is served is rejected unless --force is given.

Exit codes: 0 set (or set already), 1 failed, 2 wrong command line, 3 rejected by the compatibility
check. --dry-run prints what would happen and changes nothing.`,
		Example: `  protean policies put acme.reports.* --policy '{timeout: {call: 60s}}' --reason 'the end of the year'
  protean policies put acme.users.v1.User.email --field --policy '{action: ACTION_MASK}'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			if (file == "") == (text == "") {
				return usagef(cmd, "no policy; give it with --file FILE or --policy TEXT")
			}
			name, data := "--policy", []byte(text)
			if file != "" {
				var err error
				if name, data, err = readPolicy(cmd.InOrStdin(), file); err != nil {
					return err
				}
			}
			in.Selector, in.Override = args[0], overrideFor(override)
			var said proto.Message
			if field {
				p := &policyv1.FieldPolicy{}
				in.Said, said = &adminv1.PutPolicyRequest_Field{Field: p}, p
			} else {
				p := &policyv1.Policy{}
				in.Said, said = &adminv1.PutPolicyRequest_Policy{Policy: p}, p
			}
			if err := gateway.ParsePolicy(name, data, said); err != nil {
				return err
			}
			out := &adminv1.PutPolicyResponse{}
			err := client.call(cmd.Context(), "PutPolicy", in, out)
			return client.said(cmd, out, in.GetDryRun(), err)
		},
	}
	f := c.Flags()
	f.StringVarP(&file, "file", "f", "", "the `FILE` with the policy, or - for standard input")
	f.StringVar(&text, "policy", "", "the policy itself, as `TEXT`")
	f.BoolVar(&field, "field", false, "the selector names a field, pkg.Message.field, and the policy is one of fields")
	f.StringVar(&in.Expected, "expected", "", "the `DIGEST` of what is replaced, or none where nothing must have been said")
	f.StringVar(&in.Reason, "reason", "", "why; it is kept with the policy")
	f.StringVar(&override, "override", "", "let breaking findings pass, for this `REASON`, which is logged")
	f.BoolVar(&in.DryRun, "dry-run", false, "only say what would happen")
	f.BoolVar(&in.Force, "force", false, "accept a selector that matches nothing that is served")
	client.addTo(c)
	return c
}

func overrideFor(reason string) *adminv1.Override {
	if reason == "" {
		return nil
	}
	return &adminv1.Override{Reason: reason}
}

func readPolicy(stdin io.Reader, file string) (name string, data []byte, err error) {
	const most = 1 << 20 // what is too large is refused where it is parsed
	if file == "-" {
		data, err = io.ReadAll(io.LimitReader(stdin, most))
		return "standard input", data, err
	}
	f, err := os.Open(file)
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, most))
	return file, data, err
}

func deletePolicyCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	in := &adminv1.DeletePolicyRequest{}
	override := ""
	c := &cobra.Command{
		Use:   "delete SELECTOR",
		Short: "Take back a policy that was said to a running gateway",
		Long: `Takes back what was said of the selector, so that its configuration and .proto files hold
again. The gate refuses that too where it opens a method or uncovers a field, unless there is an
override with a reason.`,
		Example: `  protean policies delete acme.reports.* --reason 'reports are fast again'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			in.Selector, in.Override = args[0], overrideFor(override)
			out := &adminv1.PutPolicyResponse{}
			err := client.call(cmd.Context(), "DeletePolicy", in, out)
			return client.said(cmd, out, in.GetDryRun(), err)
		},
	}
	f := c.Flags()
	f.StringVar(&in.Expected, "expected", "", "the `DIGEST` of what is taken back")
	f.StringVar(&in.Reason, "reason", "", "why; it is kept")
	f.StringVar(&override, "override", "", "let breaking findings pass, for this `REASON`, which is logged")
	f.BoolVar(&in.DryRun, "dry-run", false, "only say what would happen")
	client.addTo(c)
	return c
}

// said prints what came of a policy.
func (a *adminClient) said(cmd *cobra.Command, out *adminv1.PutPolicyResponse, dryRun bool, err error) error {
	refused, blocked := errors.AsType[*adminError](err)
	blocked = blocked && refused.detail(out)
	if err != nil && !blocked {
		return err
	}
	if err := a.show(cmd, out, func(p *printer) { p.saying(out, dryRun) }); err != nil {
		return err
	}
	if out.GetBlocked() {
		return errRejected
	}
	return nil
}

func (p *printer) saying(out *adminv1.PutPolicyResponse, dryRun bool) {
	p.problems(out.GetProblems())
	p.findings(out.GetFindings())
	one := out.GetPolicy()
	switch {
	case out.GetBlocked():
		p.rejected(out.GetFindings(), dryRun)
	case out.GetUnchanged():
		fmt.Fprintf(p.out, "Unchanged: %s is said already, as revision %d (%s).\n", one.GetSelector(), one.GetNumber(), short(one.GetDigest()))
	case dryRun:
		fmt.Fprintln(p.out, p.in(green, "This would hold.")+" Nothing was changed.")
	case one.GetDeleted():
		fmt.Fprintf(p.out, "%s of %s, as revision %d.\n", p.in(green, "Nothing is said any more"), one.GetSelector(), one.GetNumber())
	default:
		fmt.Fprintf(p.out, "%s %s, as revision %d (%s).\n", p.in(green, "Holds:"), one.GetSelector(), one.GetNumber(), short(one.GetDigest()))
	}
}

func policyStatesCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	in := &adminv1.ListPolicyStatesRequest{PageSize: 500}
	c := &cobra.Command{
		Use:   "states",
		Short: "Print what the policies of a running gateway have counted and come to",
		Long: `Prints breakers by backend and method, rate limits by selector, the cache, calls in flight and
adaptive limits, budgets of retries, and addresses that are left out. Callers are counted, and not named.`,
		Example: `  protean policies states --kind breaker --backend orders`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			all := &adminv1.ListPolicyStatesResponse{}
			for {
				page := &adminv1.ListPolicyStatesResponse{}
				if err := client.call(cmd.Context(), "ListPolicyStates", in, page); err != nil {
					return err
				}
				all.States = append(all.States, page.GetStates()...)
				if in.PageToken = page.GetNextPageToken(); in.GetPageToken() == "" {
					break
				}
			}
			return client.show(cmd, all, func(p *printer) {
				for _, s := range all.GetStates() {
					p.state(s)
				}
			})
		},
	}
	f := c.Flags()
	f.StringVar(&in.Kind, "kind", "", "only states of this `KIND`, such as breaker, cache or rate_limit")
	f.StringVar(&in.Backend, "backend", "", "only states of the backend of this `NAME`")
	client.addTo(c)
	return c
}

// state prints one line: what it is about, and all that is counted.
func (p *printer) state(s *adminv1.PolicyState) {
	about := strings.Join(strings.Fields(strings.Join([]string{s.GetBackend(), s.GetMethod(), s.GetAddress(), s.GetSelector()}, " ")), " ")
	fmt.Fprintf(p.out, "%-12s %s", s.GetKind(), p.in(bold, about))
	if about != "" {
		fmt.Fprint(p.out, "  ")
	}
	m := s.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("state"))
	if fd == nil { // of a newer gateway
		fmt.Fprintln(p.out, protojson.MarshalOptions{}.Format(s))
		return
	}
	state := m.Get(fd).Message()
	for i := range state.Descriptor().Fields().Len() {
		if i > 0 {
			fmt.Fprint(p.out, ", ")
		}
		counted := state.Descriptor().Fields().Get(i)
		fmt.Fprintf(p.out, "%s %v", strings.ReplaceAll(string(counted.Name()), "_", " "), state.Get(counted).Interface())
	}
	fmt.Fprintln(p.out)
}
