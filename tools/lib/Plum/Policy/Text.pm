package Plum::Policy::Text;

# A gate as a reviewer reads it: sections of lines, each with the place where
# it is configured; as plain text, or as Markdown.

use strict;
use warnings;

use Exporter qw(import);

use Plum::Policy ();
use Plum::Policy::Facts qw(credential where_to ms);
use Plum::Policy::Paths qw(leaves leaves_to pseudonyms spelt OTHER);

our @EXPORT_OK = qw(report changes);

my %STYLE = (
    text => {title => sub { "$_[0]\n" . '=' x length($_[0]) . "\n" },
        section => sub { "\n  $_[0]\n" }, line => \&text_line,
        mark => sub { "[$_[0]]" }, end => ''},
    markdown => {title => sub { '## ' . markdown($_[0]) . "\n" },
        section => sub { "\n| $_[0] | |\n|---|---|\n" },
        line => \&markdown_line, mark => sub { "**$_[0]**" }, end => "\n"},
);


# what would move a cursor, or end a line, is not shown as it is

sub plain {
    my ($text) = @_;
    return $text =~ s/([\x00-\x1f\x7f\x{80}-\x{9f}])/sprintf '\\x%02x',
        ord $1/ger;
}


sub text_line {
    my ($text, $at) = @_;

    return "    $text\n" if !defined $at;
    return length $text < 60 ? sprintf("    %-60s %s\n", $text, $at)
        : "    $text\n" . ' ' x 65 . "$at\n";
}


sub markdown {
    my ($text) = @_;
    return $text =~ s/([\\`*_{}\[\]<>|#~])/\\$1/gr;
}


sub markdown_line {
    my ($text, $at) = @_;

    my $mark = $text =~ s/\A(\*\*\w+\*\*) // ? "$1 " : '';
    return "| $mark" . markdown($text) . ' | '
        . (defined $at ? markdown($at) : '') . " |\n";
}


sub written {
    my ($style, $title, @sections) = @_;

    my $text = $style->{title}->(plain($title));
    while (my ($name, $lines) = splice @sections, 0, 2) {
        next if !@$lines;
        $text .= $style->{section}->($name);
        for my $line (@$lines) {
            my ($what, $at) = map { defined ? plain($_) : undef } @$line;
            $text .= $style->{line}->($what, $at);
        }
    }
    return "$text\n";
}


# findings is a function that tells the weakenings of a gate

sub report {
    my ($report, $name, $findings) = @_;

    my $style = $STYLE{$name};
    my $weak = sub {
        my @found = map { [$style->{mark}->($_->{level}) . " $_->{text}",
            $_->{at}] } $findings->($_[0]);
        return @found ? \@found : [['none']];
    };
    my @pages = map { written($style, $_->{id}, 'who may read it' =>
        [addresses($_)], 'weakenings' => $weak->($_)) } @{$report->{pages}};
    return join '', "no location has \"plum on\"\n", @pages
        if !@{$report->{resolved}};
    return join '', (map {
        my $gate = $_;
        written($style, "gate $gate->{id}",
            'who may call' => [caller_of($gate)],
            'how it proves itself' => [proof($gate)],
            'what may leave' => [leaving($gate)],
            'how often' => [often($gate)],
            'where it goes' => [goes($gate)],
            'answers' => [answers($gate)],
            'weakenings' => $weak->($gate));
    } @{$report->{resolved}}), @pages;
}


# of a gate or any other location

sub addresses {
    my ($where) = @_;

    my $access = $where->{access};
    my $at = $where->{location_at};
    my @lines = map { ["listen $_->{address}" . ($_->{tls}
        ? " with @{$where->{ssl}{protocols}}" : ' without TLS')
        . ($_->{proxy_protocol} ? ', PROXY protocol' : ''),
        $where->{server_at}] } @{$where->{listens}};
    push @lines, ['only by an internal redirect', $at] if $where->{internal};
    push @lines, @{$access->{rules}} ? map({ [$_, $at] } @{$access->{rules}})
        : ['any address', $at];
    push @lines, ['auth_basic', $at] if $access->{auth_basic};
    push @lines, ["auth_request $access->{auth_request}", $at]
        if defined $access->{auth_request};
    push @lines, ['satisfy any: addresses or authentication', $at]
        if $access->{satisfy} eq 'any';
    push @lines, map { [sprintf('%d limit%s of %s', $access->{$_},
        $access->{$_} == 1 ? '' : 's', $_), $at] }
        grep { $access->{$_} } qw(limit_req limit_conn);
    return @lines;
}


sub caller_of {
    my ($gate) = @_;

    my $tls = $gate->{tls};
    my @lines = (['plum on' . (defined $gate->{name} ? " name=$gate->{name}"
        : ''), $gate->{at}]);
    push @lines, ["plum_mode $gate->{mode}{value}", $gate->{mode}{at}],
        [$tls->{minimum} eq 'off' ? 'no TLS is demanded'
            : "$tls->{minimum} or newer, said by "
            . ($tls->{version} // 'the connection'), $tls->{at}];
    push @lines, ['client certificate, verified by '
        . ($tls->{client_certificate} eq 'connection' ? 'the server'
            : $tls->{client_certificate}), $tls->{at}]
        if defined $tls->{client_certificate};
    push @lines, addresses($gate);
    push @lines, ["body of $gate->{max_body}{value} bytes at most",
        $gate->{max_body}{at}];
    push @lines, ["also as @{$gate->{types}{value}}", $gate->{types}{at}]
        if @{$gate->{types}{value}};
    return @lines;
}


sub proof {
    my ($gate) = @_;

    my @signatures = @{$gate->{signatures}};
    my @lines;
    push @lines, [$gate->{satisfy}{value} eq 'any' ? 'one of these is enough'
        : 'each of these must hold', $gate->{satisfy}{at}] if @signatures > 1;
    for my $one (@signatures) {
        push @lines, [credential($one), $one->{at}];
        push @lines, ["  $one->{algorithm} of \"$one->{content}\", "
            . "$one->{format}, prefix \"$one->{prefix}\""],
            [$one->{timestamp}
                ? "  time in $one->{timestamp}{from} $one->{timestamp}{name}, "
                . 'tolerance ' . (defined $one->{tolerance}
                    ? "$one->{tolerance}s" : 'off')
                : '  no timestamp'],
            defined $one->{id} ? ["  id in header $one->{id}"] : ()
            if $one->{kind} eq 'mac';
        push @lines, map { ["  $_->{label}, $_->{kind}, file $_->{file}, "
            . 'fingerprint ' . ($_->{fingerprint} // 'none'), $_->{at}] }
            @{$one->{live}};
    }
    return @lines;
}


sub leaving {
    my ($gate) = @_;

    my $list = $gate->{list};
    my @lines = (["allowlist $list->{name}", $gate->{allow}{at}]);
    push @lines, ["event type in $list->{event_type}{from} "
        . "$list->{event_type}{name}", $list->{at}] if $list->{event_type};
    push @lines, paths(leaves($gate));
    push @lines, map { ["as a pseudonym: $_"] } @{pseudonyms($list)};
    push @lines, ["other types: $list->{unlisted}", $list->{at}]
        if grep { @{$_->{for}} } @{$list->{allow}};
    push @lines, map { ["read as $_->{variable}: $_->{path}", $_->{at}] }
        @{$gate->{captures}};
    return @lines;
}


sub paths {
    my ($leaves) = @_;

    return map {
        my $event = $_;
        [($event eq OTHER ? 'every event: ' : "$event: ")
            . (join(' ', map { spelt($_) } @{$leaves->{$event}}) || 'nothing')]
    } sort keys %$leaves;
}


sub often {
    my ($gate) = @_;

    my ($dedupe, $accept, $store) = @$gate{qw(dedupe accept store)};
    return ['duplicates are forwarded', $gate->{dedupe_at} // $gate->{at}]
        if !$store;

    my @lines = (["store $store->{name}: " . ($store->{kind} eq 'memory'
        ? 'memory of this host'
        : join ', ', "Redis ($store->{topology}) @{$store->{hosts}}",
            $store->{tls} ? 'TLS' : 'no TLS',
            $store->{password} ? 'password' : 'no password',
            "prefix $store->{prefix}"), $store->{at}],
        ['key ' . join(' ', @{$gate->{key}{value}}), $gate->{key}{at}],
        ['remembered for ' . ms(($dedupe || $accept)->{retention}) . ', when '
            . 'the store is down: ' . ($dedupe || $accept)->{unavailable},
            ($dedupe || $accept)->{at}]);
    return @lines if !$dedupe;

    push @lines, ['records of ' . (defined $dedupe->{scope}
        ? "scope $dedupe->{scope}" : 'this gate'), $dedupe->{at}],
        ['lease ' . ms($dedupe->{lease}) . ", in doubt: $dedupe->{in_doubt}, "
            . 'a copy ' . ($dedupe->{wait} ? 'waits ' . ms($dedupe->{wait})
            : 'is refused'), $dedupe->{at}],
        ['success is ' . join(', ', @{$dedupe->{success}}), $dedupe->{at}];
    push @lines, ["answers of up to $dedupe->{answer} bytes are kept",
        $dedupe->{at}] if $dedupe->{answer};
    push @lines, ["$dedupe->{replicas} replicas must have a record",
        $dedupe->{at}] if $dedupe->{replicas};
    return @lines;
}


sub goes {
    my ($gate) = @_;

    my $queue = $gate->{queue};
    my @lines;
    push @lines, [where_to($gate->{target}), $gate->{location_at}]
        if $gate->{target} || !$queue;
    if ($queue) {
        push @lines, ["queue $queue->{name}, accepted $queue->{accepted}",
            $queue->{accepted_at} // $queue->{at}];
        push @lines, map { consumer($gate, $_) } @{$queue->{consumers}};
    }
    return @lines;
}


sub consumer {
    my ($gate, $one) = @_;

    my $deliver = $one->{deliver};
    my @lines = ([$deliver ? "  $one->{name}, when full: $one->{full}"
        : "  $one->{name}, published, kept "
        . ($one->{keep} ? ms($one->{keep}) : 'for ever'), $one->{at}]);
    push @lines, ['    gets ' . $_->[0]] for paths(leaves_to($gate, $one));
    push @lines, map { ["    as a pseudonym: $_"] }
        @{pseudonyms($one->{own})};
    push @lines, ['    by ' . Plum::Policy::place($deliver) . ' to '
        . where_to($deliver->{target}), $deliver->{location_at}],
        ['    signed by ' . ($deliver->{sign} // 'nobody'),
            $deliver->{sign_at}] if $deliver;
    return @lines;
}


sub answers {
    my ($gate) = @_;

    my $say = sub { my ($value) = @_;
        $value eq 'off' ? 'the answer of the upstream' : "a bare $value" };
    my @lines = ([$say->($gate->{ack}{value}), $gate->{ack}{at}]);
    push @lines, map { [join(', ', @{$_->{for}}) . ': '
        . $say->($_->{value}), $_->{at}] } @{$gate->{acks}};
    push @lines, map { ["refusal $_: $gate->{refuse}{$_}"] }
        sort keys %{$gate->{refuse}};
    return @lines;
}


# of --diff: {gate => [{verdict, what, text, at}]}

sub changes {
    my ($found, $name) = @_;

    my $style = $STYLE{$name};
    return "no difference\n" if !%$found;
    return join '', map {
        my $gate = $_;
        my @lines = map { [$style->{mark}->($_->{verdict})
            . " $_->{what}: $_->{text}", $_->{at}] } @{$found->{$gate}};
        written($style, $gate =~ /\Astatus page / ? $gate : "gate $gate",
            'what differs' => \@lines);
    } sort keys %$found;
}

1;
