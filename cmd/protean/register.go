package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// overrideFlags accept breaking findings.
type overrideFlags struct {
	reason string
	ttl    time.Duration
}

func (o *overrideFlags) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.reason, "override", "", "accept breaking findings, for this `REASON`, which is kept and logged")
	f.DurationVar(&o.ttl, "override-for", 0, "how long the override also holds for later registrations. Default: for this one only")
}

// override returns the override that the flags ask for, or nil.
func (o *overrideFlags) override(cmd *cobra.Command) (*adminv1.Override, error) {
	switch {
	case o.reason == "" && o.ttl != 0:
		return nil, usagef(cmd, "--override-for needs --override REASON")
	case o.reason == "":
		return nil, nil
	}
	return &adminv1.Override{Reason: o.reason, Ttl: durationpb.New(o.ttl)}, nil
}

// placementFlags say what becomes of services of other backends, and how long to wait for a server.
type placementFlags struct {
	takeOver bool
	wait     time.Duration
}

func (p *placementFlags) addTo(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&p.takeOver, "take-over", false, "move services that another backend serves to this one; without it they stay there and the registration is rejected")
	f.DurationVar(&p.wait, "wait", 0, "how long to wait for a server to accept connections at the address, at most 45s. Default: one attempt")
}

func registerCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	from := &descriptorFlags{}
	override := &overrideFlags{}
	placement := &placementFlags{}
	in := &adminv1.RegisterRequest{}
	c := &cobra.Command{
		Use:   "register NAME --address ADDR (--descriptors FILE | --proto DIR | --reflect ADDR)",
		Short: "Register a backend with a running gateway",
		Long: `Registers the descriptors of a backend and its address with a running gateway. The
gateway compares them with what it serves, and connects to the address. Changes that
would break clients are rejected, unless there is an override with a reason. An accepted
registration is kept as a revision and served at once, without a restart.

A service that another backend serves stays there: registering it again is rejected,
unless --take-over moves it.

Exit codes: 0 registered (or registered already), 1 failed, 2 wrong command line,
3 rejected by the compatibility check. --dry-run prints what would happen and changes
nothing, with the same exit codes.

In CI, an idempotency key makes a job that is run again harmless, and --expected
keeps two jobs from overwriting one another:

  protean register orders --address orders.internal:50051 --descriptors orders.binpb \
    --idempotency-key "$CI_COMMIT_SHA" --reason "pipeline $CI_PIPELINE_ID"`,
		Example: `  protean register orders --address localhost:50051 --reflect localhost:50051
  protean register orders --address dns:///orders:50051 --proto ./proto --dry-run
  buf build -o orders.binpb && protean register orders --address orders:50051 --descriptors orders.binpb`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			if !from.said() {
				return usagef(cmd, "no descriptors; name them with --descriptors FILE, --proto DIR or --reflect ADDR")
			}
			if in.Address == "" {
				return usagef(cmd, "--address is missing: where the gateway calls the backend")
			}
			var err error
			if in.Descriptors, in.Services, err = from.load(cmd.Context(), args[0]); err != nil {
				return err
			}
			if in.Override, err = override.override(cmd); err != nil {
				return err
			}
			in.Backend, in.TakeOver, in.Wait = args[0], placement.takeOver, durationpb.New(placement.wait)
			out := &adminv1.RegisterResponse{}
			err = client.call(cmd.Context(), "Register", in, out)
			return client.registered(cmd, out, in.GetDryRun(), err)
		},
	}
	f := c.Flags()
	f.StringVar(&in.Address, "address", "", "the `ADDR` where the gateway calls the backend")
	f.StringVar(&in.Expected, "expected", "", "the `DIGEST` of the revision that is replaced, or none for a new backend")
	f.StringVar(&in.IdempotencyKey, "idempotency-key", "", "a `KEY` with which repeats have one effect")
	f.StringVar(&in.Reason, "reason", "", "why; it is kept with the revision")
	f.BoolVar(&in.DryRun, "dry-run", false, "only print what would happen")
	from.addTo(c)
	placement.addTo(c)
	override.addTo(c)
	client.addTo(c)
	return c
}

// registered prints what came of a registration or a rollback.
func (a *adminClient) registered(cmd *cobra.Command, out *adminv1.RegisterResponse, dryRun bool, err error) error {
	p := newPrinter(cmd.OutOrStdout(), a.getenv)
	refused, blocked := errors.AsType[*adminError](err)
	blocked = blocked && refused.detail(out)
	if err != nil && !blocked {
		return err
	}
	if a.output == "json" {
		if err := p.json(out); err != nil {
			return err
		}
	} else {
		p.registration(out, dryRun)
	}
	if out.GetBlocked() {
		return errRejected
	}
	return nil
}

func (p *printer) registration(out *adminv1.RegisterResponse, dryRun bool) {
	p.problems(out.GetProblems())
	p.findings(out.GetFindings())
	p.summary(out.GetFindings())
	r := out.GetRevision()
	if out.GetPreviousAddress() != "" && r != nil {
		p.addressChange(out.GetPreviousAddress(), r.GetAddress())
	}
	p.acceptedBy(out.GetAcceptedBy())
	switch {
	case out.GetBlocked():
		p.rejected(out.GetFindings(), dryRun)
	case out.GetUnchanged():
		fmt.Fprintf(p.out, "Unchanged: %s is revision %d (%s).\n", r.GetBackend(), r.GetNumber(), short(r.GetDigest()))
	case dryRun:
		fmt.Fprintln(p.out, p.in(green, "This would be registered.")+" Nothing was changed.")
	default:
		fmt.Fprintf(p.out, "%s %s is revision %d (%s).\n", p.in(green, "Registered:"), r.GetBackend(), r.GetNumber(), short(r.GetDigest()))
	}
}

// rejected says why nothing was changed, or would be.
func (p *printer) rejected(findings []*adminv1.Finding, dryRun bool) {
	n := 0
	for _, f := range findings {
		if f.GetSeverity() == adminv1.Finding_SEVERITY_BREAKING {
			n++
		}
	}
	what, changed := "Rejected:", " Nothing was changed."
	if dryRun {
		what, changed = "Would be rejected:", ""
	}
	changes := "breaking changes"
	if n == 1 {
		changes = "breaking change"
	}
	fmt.Fprintf(p.out, "%s %d %s.%s To accept this anyway, pass --override REASON.\n", p.in(red, what), n, changes, changed)
}

// acceptedBy prints the override that accepted breaking findings, if one did.
func (p *printer) acceptedBy(o *adminv1.Override) {
	if o != nil {
		fmt.Fprintf(p.out, "%s %s\n", p.in(yellow, "Accepted by the override"), overrideText(o))
	}
}

// overrideText says who gave an override, when, why and for how long.
func overrideText(o *adminv1.Override) string {
	text := fmt.Sprintf("of %s at %s: %s", orDash(plain(o.GetAuthor())), o.GetCreateTime().AsTime().UTC().Format(time.RFC3339), plain(o.GetReason()))
	if o.GetExpireTime().IsValid() {
		text += " (holds for later registrations until " + o.GetExpireTime().AsTime().UTC().Format(time.RFC3339) + ")"
	}
	return text
}

func (p *printer) addressChange(before, now string) {
	fmt.Fprintf(p.out, "address: %s → %s\n", plain(before), p.in(bold, plain(now)))
}

func rollbackCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	override := &overrideFlags{}
	placement := &placementFlags{}
	in := &adminv1.RollbackRequest{}
	c := &cobra.Command{
		Use:   "rollback NAME REVISION",
		Short: "Make an earlier revision of a backend the current one",
		Long: `Registers again what a backend was at an earlier revision: its descriptors, its
address and its services. It becomes a new revision, so that the history stays. REVISION
is a number or a digest that ` + "`protean revisions`" + ` prints; the first eight digits of the digest
are enough. The compatibility check applies: clients may use by now what that revision
did not have.

Exit codes: 0 rolled back, 1 failed, 2 wrong command line, 3 rejected by the
compatibility check.`,
		Example: `  protean rollback orders 3f9c2a71be05 --reason "orders of today fail"`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			var err error
			if in.Override, err = override.override(cmd); err != nil {
				return err
			}
			in.Backend, in.Digest, in.TakeOver, in.Wait = args[0], args[1], placement.takeOver, durationpb.New(placement.wait)
			out := &adminv1.RegisterResponse{}
			err = client.call(cmd.Context(), "Rollback", in, out)
			return client.registered(cmd, out, in.GetDryRun(), err)
		},
	}
	f := c.Flags()
	f.StringVar(&in.Expected, "expected", "", "the `DIGEST` of the revision that is replaced")
	f.StringVar(&in.Reason, "reason", "", "why; it is kept with the revision")
	f.BoolVar(&in.DryRun, "dry-run", false, "only print what would happen")
	placement.addTo(c)
	override.addTo(c)
	client.addTo(c)
	return c
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// show prints an answer in the form that was asked for.
func (a *adminClient) show(cmd *cobra.Command, out proto.Message, text func(*printer)) error {
	p := newPrinter(cmd.OutOrStdout(), a.getenv)
	if a.output == "json" {
		return p.json(out)
	}
	text(p)
	return nil
}
