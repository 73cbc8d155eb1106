#!/usr/bin/perl

# A configuration of some 300 lines in which protection is given up here and
# there: each of these lines is found, and no other.  In one that gives up
# nothing, nothing is found.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Example qw(slurp);
use Test::Plum::Policy qw(policy policy_json findings marked);

my $t = Test::Plum->new;
$t->certificates;
$t->secret($_, "a secret of many bytes, $_\n")
    for qw(plum shop partner partner.old redis);
$t->secret('short', "few bytes\n");

weak();
strict();
$t->done_testing;


# a file of t/data/policy, as a test loads it; the marks are comments

sub load {
    my ($name) = @_;

    my $text = $t->expand(slurp("t/data/policy/$name"), test => 1);
    return ($t->write_file($name, $text), $text);
}


sub weak {
    my (@expected, $lines, $conf);
    for my $name (qw(weak-lists.conf weak-servers.conf weak.conf)) {
        my ($file, $text) = load($name);
        push @expected, marked($file, $text);
        $lines += split /\n/, $text;
        $conf = $file;
    }
    cmp_ok($lines, '>=', 280, 'lines');
    cmp_ok(scalar @expected, '>=', 20, 'weakenings that are planted');

    my $report = policy_json($t, $conf);
    my %weak = findings($report, 'weak');
    my %found = map { $_ => 1 } map { @$_ } values %weak;

    for my $one (@expected) {
        my ($place, $text) = @$one;
        my @all = grep { index($_, "$place: ") == 0
            && index($_, $text) > 0 } keys %found;
        is(scalar @all, 1, "$place: $text") or diag(explain([sort keys
            %found]));
        delete @found{@all};
    }
    is_deeply([sort keys %found], [], 'and nothing else');

    my %clean = map { $_ => $weak{$_} } grep { /\Agood\.example/ } keys %weak;
    is_deeply(\%clean, {map { ("good.example.com = $_" => []) }
        '/plum/webhook', '/plum/partner', '/queue'}, 'of the good ones none');
    inherited(%weak);

    my (undef, $text) = policy($t, $conf);
    for my $one (@expected) {
        my ($place, $what) = @$one;
        like($text, qr/\[weak\] [^\n]*\Q$what\E[^\n]*\s+\Q$place\E\n/,
            "in the text: $what");
    }
    return;
}


# a line of an outer level is said of each gate that inherits it, and of no
# other one

sub inherited {
    my (%weak) = @_;

    my %off;
    for my $id (keys %weak) {
        $off{$id} = 1 if grep { /plum_ack off/ } @{$weak{$id}};
    }
    is_deeply([sort keys %off], ['shop.example.com /inherits/',
        'shop.example.com /shop/answers/'], 'plum_ack off of the server');
    my @short = grep { grep { /fewer than 16/ } @{$weak{$_}} } keys %weak;
    is_deeply(\@short, ['shop.example.com /legacy/'], 'a short secret');
    return;
}


sub strict {
    my ($conf) = load('strict.conf');
    my $report = policy_json($t, $conf);
    my %weak = findings($report, 'weak');
    is_deeply([map { @$_ } values %weak], [], 'nothing weak');
    is(scalar keys %weak, 3, 'in two gates and a status page');

    my (undef, $text) = policy($t, $conf);
    my ($accept) = $text =~ /^gate [^\n]*accept\n(.*?)^gate /ms;
    my @lines = map { s/\s+\S+:\d+\z//r =~ s/\A +//r } split /\n/, $accept;
    my %line = map { $_ => 1 } @lines;
    ok($line{$_}, $_) for 'TLSv1.3 or newer, said by the connection',
        'client certificate, verified by the server', 'allow 192.0.2.0/24',
        'deny 0.0.0.0/0', 'other types: refuse',
        'answers',
        'offer.*: event eventId occurredAt data.offerId',
        'offer.redeemed: event eventId occurredAt data.offerId data.value '
            . 'data.currency',
        'queue offers, accepted fsync',
        'gets offer.redeemed: event eventId occurredAt data.offerId '
            . 'data.value data.currency',
        'gets offer.*: eventId', 'signed by partner', 'signed by nobody',
        'history, published, kept 7d', 'a bare 200', 'none';
    my ($billing) = $accept =~ /^ +billing, (.*?)^ +search, /ms;
    unlike($billing, qr/offer\.\*: /, 'for= of a consumer');
    return;
}
