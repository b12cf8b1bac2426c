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

// overrideFlags let breaking findings pass.
type overrideFlags struct {
	reason string
	ttl    time.Duration
}

func (o *overrideFlags) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.reason, "override", "", "let breaking findings pass, for this `REASON`, which is logged")
	f.DurationVar(&o.ttl, "override-for", time.Hour, "how long the override also holds for later registrations")
}

func (o *overrideFlags) override() *adminv1.Override {
	if o.reason == "" {
		return nil
	}
	return &adminv1.Override{Reason: o.reason, Ttl: durationpb.New(o.ttl)}
}

func registerCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	from := &descriptorFlags{}
	override := &overrideFlags{}
	in := &adminv1.RegisterRequest{}
	c := &cobra.Command{
		Use:   "register NAME --address ADDR (--descriptors FILE | --proto DIR | --reflect ADDR)",
		Short: "Register a backend with a running gateway",
		Long: `Gives a running gateway the descriptors of a backend and where it is called. The
gateway compares them with what it serves; what would break clients is refused,
unless there is an override with a reason. What passes is kept as a revision and
served at once, without a restart.

It exits with 0 where the backend is registered as it was given (also where it was
already), with 1 where it was refused, with 2 where the command line is wrong.
--dry-run says what would happen and changes nothing, with the same exit codes.

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
			in.Backend, in.Override = args[0], override.override()
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
	f.BoolVar(&in.DryRun, "dry-run", false, "only say what would happen")
	from.addTo(c)
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
		return errReported
	}
	return nil
}

func (p *printer) registration(out *adminv1.RegisterResponse, dryRun bool) {
	p.problems(out.GetProblems())
	p.findings(out.GetFindings())
	p.summary(out.GetFindings())
	r := out.GetRevision()
	switch {
	case out.GetBlocked() && dryRun:
		fmt.Fprintln(p.out, p.in(red, "The gate would keep this out.")+" --override REASON lets it pass.")
	case out.GetBlocked():
		fmt.Fprintln(p.out, p.in(red, "The gate keeps this out.")+" Nothing was changed. --override REASON lets it pass.")
	case out.GetUnchanged():
		fmt.Fprintf(p.out, "Unchanged: %s is revision %d (%s).\n", r.GetBackend(), r.GetNumber(), short(r.GetDigest()))
	case dryRun:
		fmt.Fprintln(p.out, p.in(green, "This would be registered.")+" Nothing was changed.")
	default:
		fmt.Fprintf(p.out, "%s %s is revision %d (%s).\n", p.in(green, "Registered:"), r.GetBackend(), r.GetNumber(), short(r.GetDigest()))
	}
}

func rollbackCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	override := &overrideFlags{}
	in := &adminv1.RollbackRequest{}
	c := &cobra.Command{
		Use:   "rollback NAME DIGEST",
		Short: "Make an earlier revision of a backend the current one",
		Long: `Registers again what a backend was at an earlier revision: its descriptors, its
address and its services. It becomes a new revision, so that the history stays. The
digest is one that ` + "`protean revisions`" + ` prints; its first eight digits are enough. The gate
holds for it too: clients may use by now what that revision did not have.`,
		Example: `  protean rollback orders 3f9c2a71be05 --reason "orders of today fail"`,
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			in.Backend, in.Digest, in.Override = args[0], args[1], override.override()
			out := &adminv1.RegisterResponse{}
			err := client.call(cmd.Context(), "Rollback", in, out)
			return client.registered(cmd, out, in.GetDryRun(), err)
		},
	}
	f := c.Flags()
	f.StringVar(&in.Expected, "expected", "", "the `DIGEST` of the revision that is replaced")
	f.StringVar(&in.Reason, "reason", "", "why; it is kept with the revision")
	f.BoolVar(&in.DryRun, "dry-run", false, "only say what would happen")
	override.addTo(c)
	client.addTo(c)
	return c
}

func diffCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	from := &descriptorFlags{}
	in := &adminv1.DiffRequest{}
	failOn := ""
	c := &cobra.Command{
		Use:   "diff NAME (--descriptors FILE | --proto DIR | --reflect ADDR | --revision DIGEST)",
		Short: "Compare descriptors with what a running gateway serves",
		Long: `Says what would change for clients of gRPC, JSON, REST and GraphQL and for the
operator's policies, if these descriptors were registered, or an earlier revision
came back. It changes nothing.

It exits with 1 where the gate would keep them out, or with --fail-on where
something that severe is found; with 0 otherwise.`,
		Example: `  protean diff orders --proto ./proto
  protean diff orders --descriptors orders.binpb --fail-on dangerous --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			threshold, ok := severities[failOn]
			if !ok {
				return usagef(cmd, "--fail-on %s: expected dangerous, breaking or never", failOn)
			}
			if from.said() == (in.Digest != "") {
				return usagef(cmd, "compare with what? Name one of --descriptors FILE, --proto DIR, --reflect ADDR and --revision DIGEST")
			}
			if from.said() {
				var err error
				if in.Descriptors, in.Services, err = from.load(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			in.Backend = args[0]
			out := &adminv1.DiffResponse{}
			if err := client.call(cmd.Context(), "Diff", in, out); err != nil {
				return err
			}
			if err := client.show(cmd, out, func(p *printer) {
				p.problems(out.GetProblems())
				p.findings(out.GetFindings())
				p.summary(out.GetFindings())
			}); err != nil {
				return err
			}
			if fails(out, threshold, failOn) {
				return errReported
			}
			return nil
		},
	}
	c.Flags().StringVar(&in.Digest, "revision", "", "the `DIGEST` of an earlier revision, in place of descriptors")
	c.Flags().StringVar(&failOn, "fail-on", "", "the least `SEVERITY` that is exit code 1: dangerous, breaking or never. Default: as the gate")
	from.addTo(c)
	client.addTo(c)
	return c
}

var severities = map[string]adminv1.Finding_Severity{
	"":          adminv1.Finding_SEVERITY_BREAKING,
	"dangerous": adminv1.Finding_SEVERITY_DANGEROUS,
	"breaking":  adminv1.Finding_SEVERITY_BREAKING,
	"never":     adminv1.Finding_SEVERITY_BREAKING + 1,
}

func fails(out *adminv1.DiffResponse, threshold adminv1.Finding_Severity, failOn string) bool {
	if failOn == "" {
		return out.GetBlocked()
	}
	for _, f := range out.GetFindings() {
		if f.GetSeverity() >= threshold {
			return true
		}
	}
	return false
}

func revisionsCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	in := &adminv1.ListRevisionsRequest{}
	c := &cobra.Command{
		Use:   "revisions NAME",
		Short: "List the revisions of a registered backend",
		Long:  `Lists what was registered for a backend, newest first: the first one is served.`,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.read(cmd); err != nil {
				return err
			}
			in.Backend = args[0]
			out := &adminv1.ListRevisionsResponse{}
			if err := client.call(cmd.Context(), "ListRevisions", in, out); err != nil {
				return err
			}
			return client.show(cmd, out, func(p *printer) { p.revisions(out) })
		},
	}
	c.Flags().Int32Var(&in.PageSize, "limit", 20, "how many at the most; up to 100")
	c.Flags().StringVar(&in.PageToken, "after", "", "the `TOKEN` with which the list before ended")
	client.addTo(c)
	return c
}

func (p *printer) revisions(out *adminv1.ListRevisionsResponse) {
	for _, r := range out.GetRevisions() {
		what := plain(r.GetAddress())
		switch {
		case r.GetDeleted():
			what = p.in(red, "deleted")
		case r.GetRollbackOf() != "":
			what += ", back to " + short(r.GetRollbackOf())
		}
		if r.GetOverride() != nil {
			what += ", " + p.in(yellow, "override") + ": " + plain(r.GetOverride().GetReason())
		}
		fmt.Fprintf(p.out, "%4d  %s  %s  %-12s %s\n", r.GetNumber(), p.in(bold, short(r.GetDigest())),
			r.GetCreateTime().AsTime().UTC().Format(time.RFC3339), orDash(r.GetOwner()), what)
		if r.GetReason() != "" {
			fmt.Fprintf(p.out, "      %s\n", plain(r.GetReason()))
		}
	}
	if token := out.GetNextPageToken(); token != "" {
		fmt.Fprintf(p.out, "There are more: --after %s\n", token)
	}
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
