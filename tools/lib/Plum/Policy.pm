package Plum::Policy;

# The policy report: made by the module in "nginx -t", or read from a file that
# "plum-policy --json" has written.
#
#   my $report = Plum::Policy::load($file, nginx => 'nginx', ...);
#   for my $gate (@{$report->{resolved}}) { ... }
#
# {resolved} are the gates; what a gate only names is put beside it: its list,
# store, queue and secrets.  Its "id" is that of the server and the location.
# {pages} are the locations with plum_status.

use strict;
use warnings;

use File::Spec;
use File::Temp;
use JSON::PP ();

my $FORMAT = 1;
my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;


# a report, or what nginx -t makes of a configuration; dies with a text.  The
# text of nginx -t ends with a line end, and so does any other

sub load {
    my ($file, %opt) = @_;

    my $text = slurp($file);
    return resolve(parse($text, $file)) if $text =~ /\A\s*\{\s*"/;
    return resolve(ask($file, %opt));
}


sub slurp {
    my ($name) = @_;

    open my $file, '<:raw', $name or die "cannot read $name: $!\n";
    die "cannot read $name: it is a folder\n" if -d $file;
    local $/;
    my $text = <$file>;
    return defined $text ? $text : '';
}


sub parse {
    my ($text, $name) = @_;

    my $report = eval { $JSON->decode($text) };
    die "$name is no policy report: it is not JSON\n" if !$report;
    die "$name is no policy report of format $FORMAT\n"
        if ref $report ne 'HASH' || ($report->{format} || 0) ne $FORMAT
        || ref $report->{gates} ne 'ARRAY';
    return $report;
}


# the module writes the report into a folder that nobody else can look into

sub ask {
    my ($conf, %opt) = @_;

    my $dir = File::Temp->newdir('plum-policy-XXXXXXXX', TMPDIR => 1);
    my @argv = ($opt{nginx} || 'nginx', '-t', '-c', File::Spec->rel2abs($conf),
        map({ defined $opt{$_} ? ("-$_", $opt{$_}) : () } qw(p g)));

    my $pid = fork;
    die "cannot start a process: $!\n" if !defined $pid;
    if (!$pid) {
        $ENV{PLUM_POLICY} = "$dir/report";
        open STDOUT, '>', "$dir/said" or die "$dir/said: $!\n";
        open STDERR, '>&', \*STDOUT or die "$dir/said: $!\n";
        { no warnings; exec { $argv[0] } @argv };
        print STDERR "cannot run $argv[0]: $!\n";
        require POSIX;
        POSIX::_exit(127);
    }
    waitpid $pid, 0;

    die slurp("$dir/said") || "nginx -t has failed\n" if $?;
    die "nginx -t has written no report: $argv[0] has no plum module that "
        . "knows reports, or the configuration has no \"http\" block\n"
        if !-e "$dir/report";
    return parse(slurp("$dir/report"), 'what nginx -t has written');
}


sub resolve {
    my ($report) = @_;

    my %list = map { $_->{name} => $_ } @{$report->{allowlists}};
    my %store = map { $_->{name} => $_ } @{$report->{stores}};
    my %queue = map { $_->{name} => $_ } @{$report->{queues}};
    my %secret = map { $_->{label} => $_ } @{$report->{secrets}};

    my %gate;
    for my $gate (outer(@{$report->{gates}})) {
        my %all = (%$gate, list => $list{$gate->{allow}{list}});
        $all{signatures} = [map { {%$_,
            live => [map { $secret{$_} } @{$_->{secrets}}]} }
            @{$gate->{signatures}}];
        if ($gate->{accept}) {
            my $queue = $queue{$gate->{accept}{queue}};
            $all{queue} = {%$queue, consumers => [map { {%$_,
                $_->{list} ? (own => $list{$_->{list}}) : ()} }
                @{$queue->{consumers}}]};
        }
        my $records = $gate->{dedupe} || $all{queue};
        $all{store} = $store{$records->{store}} if $records;
        $all{beside} = beside(\%all, @{$report->{beside}});
        $all{id} = place($gate);
        my $n = ++$gate{$all{id}};
        $all{id} .= " (number $n)" if $n > 1;
        $gate = \%all;
        push @{$report->{resolved}}, $gate;
    }
    $report->{resolved} ||= [];
    push @{$report->{pages}}, map { {%$_, page => 1,
        id => 'status page ' . place($_)} }
        grep { $_->{status} } @{$report->{beside}};
    $report->{pages} ||= [];
    warnings_of($report);
    return $report;
}


# server and location, as people speak of them

sub place {
    my ($where) = @_;

    my $server = $where->{server}[0] // 'the server in '
        . ($where->{server_at} // '?');
    return join ' ', $server, grep({ length } $where->{modifier}),
        $where->{location}, $where->{inner} ? '(a block inside)' : ();
}


# "if" and "limit_except" inherit all; one that changes nothing is no gate of
# its own.  An "if" without a target has that of its location

sub outer {
    my (@gates) = @_;

    my %seen;
    return grep {
        my %facts = %$_;
        my ($target) = delete @facts{qw(target inner modifier location_at)};
        my $rest = $JSON->encode(\%facts);
        my $all = $rest . $JSON->encode($target);
        my $new = !$_->{inner} || !$seen{$target ? $all : $rest};
        $seen{$_} = 1 for $rest, $all;
        $new;
    } sort { $a->{inner} <=> $b->{inner} } @gates;
}


# locations without the gate that lead where it leads

sub beside {
    my ($gate, @others) = @_;

    my %address = map { $_ => 1 } map { @{$_->{addresses} || []} }
        grep { $_ } $gate->{target},
        map { $_->{deliver} ? $_->{deliver}{target} : () }
        $gate->{queue} ? @{$gate->{queue}{consumers}} : ();
    my %seen;
    return [grep {
        my $other = $_;
        !$other->{delivers}
            && (grep { $address{$_} } @{$other->{target}{addresses} || []})
            && !$seen{place($other)}++;
    } sort { $a->{inner} <=> $b->{inner} } @others];
}


# a warning of nginx -t belongs to the gates whose facts stand where it points

sub warnings_of {
    my ($report) = @_;

    for my $gate (@{$report->{resolved}}) {
        my %at;
        places($gate, \%at);
        $gate->{warnings} = [grep { $at{$_->{at} // ''} }
            @{$report->{warnings}}];
    }
    return;
}


sub places {
    my ($what, $at) = @_;

    if (ref $what eq 'ARRAY') {
        places($_, $at) for @$what;
    } elsif (ref $what eq 'HASH') {
        for my $key (keys %$what) {
            next if $key eq 'beside';
            if ($key =~ /(?:\A|_)at\z/) {
                $at->{$what->{$key}} = 1 if defined $what->{$key};
            } else {
                places($what->{$key}, $at);
            }
        }
    }
    return;
}


# as it is saved: what the module has said, and what was found in it

sub encode {
    my ($report, $found) = @_;

    my %saved = map { $_ => $report->{$_} }
        grep { !/\A(?:resolved|pages)\z/ } keys %$report;
    return $JSON->pretty->encode({%saved, found => $found});
}

1;
