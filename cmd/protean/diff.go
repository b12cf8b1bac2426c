package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

func diffCommand(getenv func(string) string) *cobra.Command {
	client := &adminClient{getenv: getenv}
	from := &descriptorFlags{}
	placement := &placementFlags{}
	in := &adminv1.DiffRequest{}
	failOn := ""
	c := &cobra.Command{
		Use:   "diff NAME (--descriptors FILE | --proto DIR | --reflect ADDR | --revision REVISION)",
		Short: "Compare descriptors with what a running gateway serves",
		Long: `Prints what would change for clients of gRPC, JSON, REST and GraphQL and for the
operator's policies, if these descriptors were registered, or an earlier revision
came back. It changes nothing. An override of an earlier registration is printed; it
does not change the exit code.

Exit codes: 0 would be accepted, 1 failed, 2 wrong command line, 3 would be rejected by
the compatibility check, or has a finding as severe as --fail-on.`,
		Example: `  protean diff orders --proto ./proto
  protean diff orders --descriptors orders.binpb --address dns:///orders:50051 --fail-on dangerous --output json`,
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
				return usagef(cmd, "compare with what? Name one of --descriptors FILE, --proto DIR, --reflect ADDR and --revision REVISION")
			}
			if from.said() {
				var err error
				if in.Descriptors, in.Services, err = from.load(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			in.Backend, in.TakeOver, in.Wait = args[0], placement.takeOver, durationpb.New(placement.wait)
			out := &adminv1.DiffResponse{}
			if err := client.call(cmd.Context(), "Diff", in, out); err != nil {
				return err
			}
			if err := client.show(cmd, out, func(p *printer) { p.diff(out) }); err != nil {
				return err
			}
			if fails(out, threshold, failOn) {
				return errRejected
			}
			return nil
		},
	}
	c.Flags().StringVar(&in.Digest, "revision", "", "the number or digest of an earlier `REVISION`, in place of descriptors")
	c.Flags().StringVar(&in.Address, "address", "", "the `ADDR` that would be registered. Default: the one that is")
	c.Flags().StringVar(&failOn, "fail-on", "", "the least `SEVERITY` that is exit code 3: dangerous, breaking or never. Default: as the compatibility check")
	from.addTo(c)
	placement.addTo(c)
	client.addTo(c)
	return c
}

func (p *printer) diff(out *adminv1.DiffResponse) {
	p.problems(out.GetProblems())
	p.findings(out.GetFindings())
	p.summary(out.GetFindings())
	if out.GetPreviousAddress() != "" {
		p.addressChange(out.GetPreviousAddress(), out.GetAddress())
	}
	if o := out.GetActiveOverride(); o != nil {
		fmt.Fprintf(p.out, "%s %s\n", p.in(yellow, "Active override"), overrideText(o))
	}
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
