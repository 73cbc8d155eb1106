package Test::Plum::Cases;

# Deliveries with what must become of them: the status at the sender at once;
# the bytes at the upstream and the line in the access log at the end.  Every
# refusal is followed by a good delivery, which proves that the worker lives.
#
#   my $cases = Test::Plum::Cases->new($t, $up, good => sub { %request });
#   ... with good_body => '{}' where it is not forwarded as it is sent
#   ... Test::Plum::Cases::access_log() in a server of the configuration ...
#   $cases->accept('right', {%request}, secret => 'key#1', body => '{"a":1}');
#   $cases->refuse('wrong', {%request}, 'credential_mismatch');
#   $cases->finish;
#
# What a delivery may be expected to have: status, verdict, reason, secret
# (undef: not looked at), body (as forwarded; undef: as sent, '' is none).

use strict;
use warnings;

use Test::More;

my %STATUS = (
    (map { $_ => 403 } qw(tls_required tls_version client_certificate
        subrequest)),
    (map { $_ => 415 } qw(content_type content_encoding)),
    (map { $_ => 401 } qw(credential_missing credential_malformed
        credential_mismatch timestamp_stale)),
    (map { $_ => 400 } qw(json_invalid key_missing)),
    early_data => 425, method => 405, body_too_large => 413,
    event_unlisted => 422, in_flight => 409, store_unavailable => 503,
    body_budget => 503,
);


sub new {
    my ($class, $t, $up, %opt) = @_;

    return bless {
        t => $t, up => $up, n => 0, cases => [], client => $t->client(0),
        %opt,
    }, $class;
}


# directives; not of the http level, where the harness turns the log off

sub access_log {
    return 'access_log %%TESTDIR%%/access.log cases;';
}


sub log_format {
    return 'log_format cases escape=json \'$http_x_n|$status|$plum_verdict|'
        . '$plum_reason|$plum_secret\';';
}


sub accept {
    my ($self, $what, $request, %want) = @_;

    return $self->_send($what, $request, status => 200, verdict => 'accepted',
        reason => '', forwarded => 1, %want);
}


sub refuse {
    my ($self, $what, $request, $reason, %want) = @_;

    my $answer = $self->_send($what, $request, status => $STATUS{$reason},
        verdict => 'refused', reason => $reason, %want);
    $self->accept("... and a good one after it", {$self->{good}->()},
        body => $self->{good_body});
    return $answer;
}


sub _send {
    my ($self, $what, $request, %want) = @_;

    my $n = ++$self->{n};
    $what =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
    my %tagged = %$request;
    my $headers = $tagged{headers} || [];
    $tagged{headers} = [@$headers, ['X-N', $n]];

    my $answer = $self->{client}->request(%tagged);
    is($answer->status, $want{status}, $what);

    $want{body} = $request->{body} if !defined $want{body};
    push @{$self->{cases}}, {what => $what, n => $n, %want};
    return $answer;
}


# the client's connection does not outlive a reload

sub reload {
    my ($self) = @_;

    ok($self->{t}->reload, 'reload');
    $self->{client}->close;
    return;
}


sub finish {
    my ($self) = @_;

    $self->{t}->wait_log(qr/\A$self->{n}\|/, 5, 'access.log');
    my %line;
    for my $text (split /\n/, $self->{t}->read_file('access.log')) {
        my ($n, @fields) = split /\|/, $text, -1;
        $line{$n} = \@fields;
    }

    my %got;
    for my $request ($self->{up}->requests) {
        my $n = $self->{up}->header($request, 'x-n');
        push @{$got{$n}}, $request->{body} if defined $n;
    }

    for my $case (@{$self->{cases}}) {
        my ($n, $what) = @$case{qw(n what)};
        my @want = @$case{qw(status verdict reason secret)};
        my @line = @{$line{$n} || []};
        $line[3] = undef if !defined $want[3];
        is_deeply(\@line, \@want, "in the log: $what");
        is_deeply($got{$n} || [], $case->{forwarded} ? [$case->{body}] : [],
            "at the upstream: $what");
    }
    return;
}

1;
