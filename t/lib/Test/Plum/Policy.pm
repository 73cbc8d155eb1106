package Test::Plum::Policy;

# tools/plum-policy, as a test runs it.
#
#   my ($status, $said) = policy($t, '--markdown', $conf);
#   my $report = policy_json($t, $conf);   # dies if there is none
#   my %found = findings($report, 'weak'); # "line: text" by the gate's id
#
# marked($file, $text) are the places of lines that have " #! TEXT", and what
# is to be found there.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();

use Test::Plum;
use Test::Plum::Process qw(run_command);

our @EXPORT_OK = qw(policy policy_json findings marked);


sub policy {
    my ($t, @args) = @_;

    return run_command(Test::Plum::root() . '/tools/plum-policy',
        '--nginx', $t->{nginx}, '-p', $t->dir . '/', @args);
}


sub policy_json {
    my ($t, $conf) = @_;

    my ($status, $said) = policy($t, '--json', $conf);
    die "plum-policy $conf: $status, $said" if $status;
    return JSON::PP::decode_json($said);
}


sub findings {
    my ($report, $level) = @_;

    my $found = $report->{found};
    return map { my $id = $_; $id => [map { "$_->{at}: $_->{text}" }
        grep { $_->{level} eq $level } @{$found->{$id}}] } keys %$found;
}


sub marked {
    my ($file, $text) = @_;

    my ($number, @marked) = (0);
    for my $line (split /\n/, $text) {
        $number++;
        my (undef, @texts) = split /\s*#! /, $line;
        push @marked, map { ["$file:$number", $_] } @texts;
    }
    return @marked;
}

1;
