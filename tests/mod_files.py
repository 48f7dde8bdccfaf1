"""Mod files for tests, each with some of what people write; the numbers are choices."""

from pathlib import Path
from textwrap import dedent

MODS = {
    # the Hodgkin-Huxley channels in one: three currents, a table, locals, a trap
    "Hx": """
        TITLE Three currents
        NEURON {
            SUFFIX Hx
            USEION na READ ena WRITE ina
            USEION k READ ek WRITE ik
            NONSPECIFIC_CURRENT il
            RANGE gnabar, gkbar, gl, el, gna
            GLOBAL minf, mtau
            THREADSAFE
        }
        UNITS { (mV) = (millivolt) (S) = (siemens) (mA) = (milliamp) }
        PARAMETER { gnabar = .12 (S/cm2) <0,1e9> gkbar = .036 (S/cm2) gl = .0003 (S/cm2)
            el = -54.3 (mV) }
        STATE { m h n }
        ASSIGNED { v (mV) celsius (degC) ena (mV) ek (mV) ina (mA/cm2) ik (mA/cm2) il (mA/cm2)
            gna (S/cm2) minf hinf ninf mtau (ms) htau (ms) ntau (ms) }
        BREAKPOINT {
            SOLVE states METHOD cnexp
            gna = gnabar*m^3*h
            ina = gna*(v - ena)
            ik = gkbar*n*n*n*n*(v - ek)
            il = gl*(v - el)
        }
        INITIAL { rates(v) m = minf h = hinf n = ninf }
        DERIVATIVE states { rates(v) m' = (minf-m)/mtau h' = (hinf-h)/htau n' = (ninf-n)/ntau }
        PROCEDURE rates(v (mV)) {
            LOCAL alpha, beta, q
            TABLE minf, mtau, hinf, htau, ninf, ntau DEPEND celsius FROM -100 TO 100 WITH 200
            UNITSOFF
            q = 3^((celsius - 6.3)/10)
            alpha = .1*vtrap(-(v+40), 10)  beta = 4*exp(-(v+65)/18)
            mtau = 1/(q*(alpha + beta))  minf = alpha/(alpha + beta)
            alpha = .07*exp(-(v+65)/20)  beta = 1/(exp(-(v+35)/10) + 1)
            htau = 1/(q*(alpha + beta))  hinf = alpha/(alpha + beta)
            alpha = .01*vtrap(-(v+55), 10)  beta = .125*exp(-(v+65)/80)
            ntau = 1/(q*(alpha + beta))  ninf = alpha/(alpha + beta)
            UNITSON
        }
        FUNCTION vtrap(x, y) {
            if (fabs(x/y) < 1e-6) { vtrap = y*(1 - x/y/2) } else { vtrap = x/(exp(x/y) - 1) }
        }
        """,
    # as the Blue Brain Project writes them: a shifted voltage, branches, a factor of 34 degC
    "Kx": """
        :Comment : A persistent K current
        NEURON { SUFFIX Kx USEION k READ ek WRITE ik RANGE gKxbar, gKx, ik }
        PARAMETER { gKxbar = 0.00001 (S/cm2) }
        ASSIGNED { v (mV) ek (mV) ik (mA/cm2) gKx (S/cm2) mInf mTau hInf hTau }
        STATE { m h }
        BREAKPOINT { SOLVE states METHOD cnexp gKx = gKxbar*m*m*h ik = gKx*(v-ek) }
        DERIVATIVE states { rates() m' = (mInf-m)/mTau h' = (hInf-h)/hTau }
        INITIAL { rates() m = mInf h = hInf }
        PROCEDURE rates() {
            LOCAL qt
            qt = 2.3^((34-21)/10)
            v = v + 10
            mInf = (1/(1 + exp(-(v+1)/12)))
            if (v < -50) {
                mTau = (1.25+175.03*exp(-v * -0.026))/qt
            } else {
                mTau = ((1.25+13*exp(-v*0.026)))/qt
            }
            hInf = 1/(1 + exp(-(v+54)/-11))
            hTau = (360+(1010+24*(v+55))*exp(-((v+75)/48)^2))/qt
            v = v - 10
        }
        """,
    "Cx": """
        NEURON { SUFFIX Cx USEION ca READ eca WRITE ica RANGE gCxbar, ica }
        PARAMETER { gCxbar = 0.00001 (S/cm2) }
        ASSIGNED { v (mV) eca (mV) ica (mA/cm2) mInf mTau mAlpha mBeta }
        STATE { m }
        BREAKPOINT { SOLVE states METHOD cnexp ica = gCxbar*m*m*(v-eca) }
        DERIVATIVE states { rates() m' = (mInf-m)/mTau }
        INITIAL { rates() m = mInf }
        PROCEDURE rates() {
            if ((v == -27)) { v = v+0.0001 }
            mAlpha = (0.055*(-27-v))/(exp((-27-v)/3.8) - 1)
            mBeta = (0.94*exp((-75-v)/17))
            mInf = mAlpha/(mAlpha + mBeta)
            mTau = 1/(mAlpha + mBeta)
        }
        """,
    # a current by Goldman, Hodgkin and Katz, and a factor that INITIAL alone computes
    "Gx": """
        NEURON { SUFFIX Gx USEION ca READ cai, cao WRITE ica RANGE pbar, shift GLOBAL q }
        UNITS { FARADAY = (faraday) (coulomb) R = (k-mole) (joule/degC) }
        PARAMETER { pbar = .2e-4 (cm/s) shift = 2 (mV) q = 2.5 cai (mM)
            cao (mM) celsius (degC) v (mV) }
        STATE { m h }
        ASSIGNED { ica (mA/cm2) phi th }
        BREAKPOINT { SOLVE castate METHOD cnexp ica = pbar*m*m*h*ghk(v, cai, cao) }
        DERIVATIVE castate {
            evaluate(v)
            m' = (1/(1 + exp(-(v+shift+57)/6.2)) - m)/(0.6 + 1/phi)
            h' = (1/(1 + exp((v+shift+81)/4)) - h)/th
        }
        INITIAL {
            phi = q^((celsius-24)/10)
            evaluate(v)
            m = 1/(1 + exp(-(v+shift+57)/6.2))
            h = 1/(1 + exp((v+shift+81)/4))
        }
        PROCEDURE evaluate(v (mV)) {
            if (v + shift < -80) { th = exp((v+shift+467)/66.6)/phi }
            else if (v > 30 || v < -200) { th = 28/phi }
            else { th = (28 + exp(-(v+shift+22)/10.5))/phi }
        }
        FUNCTION ghk(v (mV), ci (mM), co (mM)) (.001 coul/cm3) {
            LOCAL z, eci, eco
            z = (1e-3)*2*FARADAY*v/(R*(celsius+273.15))
            eco = co*efun(z)
            eci = ci*efun(-z)
            ghk = (.001)*2*FARADAY*(eci - eco)
        }
        FUNCTION efun(z) {
            if (fabs(z) < 1e-4) { efun = 1 - z/2 } else { efun = z/(exp(z) - 1) }
        }
        """,
    # calcium under another name, by implicit Euler
    "Px": """
        NEURON { SUFFIX Px USEION ca READ ica, cai WRITE cai RANGE depth, taur, cainf }
        UNITS { FARADAY = (faraday) (coulomb) }
        PARAMETER { depth = .1 (um) taur = 20 (ms) cainf = 1e-4 (mM) cai (mM) }
        STATE { ca (mM) }
        ASSIGNED { ica (mA/cm2) drive (mM/ms) }
        BREAKPOINT { SOLVE state METHOD derivimplicit }
        DERIVATIVE state {
            drive = -(10000)*ica*0.05/(2*FARADAY*depth)
            if (drive <= 0.) { drive = 0. }
            ca' = drive + (cainf-ca)/taur
            cai = ca
        }
        INITIAL { ca = cainf cai = ca }
        """,
    "Sx": """
        NEURON { SUFFIX Sx USEION k READ ek WRITE ik USEION ca READ cai RANGE gbar GLOBAL zTau }
        PARAMETER { v (mV) gbar = .000001 (mho/cm2) zTau = 1 (ms) ek (mV) cai (mM) }
        ASSIGNED { zInf ik (mA/cm2) g (S/cm2) }
        STATE { z FROM 0 TO 1 }
        BREAKPOINT { SOLVE states METHOD cnexp g = gbar*z ik = g*(v - ek) }
        DERIVATIVE states { rates(cai) z' = (zInf - z)/zTau }
        PROCEDURE rates(ca (mM)) {
            if (ca < 1e-7) { ca = ca + 1e-07 }
            zInf = 1/(1 + (0.00043/ca)^4.8)
        }
        INITIAL { rates(cai) z = zInf }
        """,
    # a kinetic scheme that begins in its steady state
    "Nx": """
        NEURON { SUFFIX Nx USEION na READ ena WRITE ina RANGE gbar }
        PARAMETER { gbar = .015 (S/cm2) k1 = 3 (/ms) off = .4 (/ms) }
        ASSIGNED { v (mV) ena (mV) ina (mA/cm2) celsius (degC) a (/ms) b (/ms) }
        STATE { C1 C2 O I }
        BREAKPOINT { SOLVE scheme METHOD sparse ina = gbar*O*(v - ena) }
        INITIAL { SOLVE scheme STEADYSTATE sparse }
        KINETIC scheme {
            rates(v)
            ~ C1 <-> C2 (2*a, b)
            ~ C2 <-> O (a, 2*b)
            ~ O <-> I (off, .02)
            ~ I <-> C1 (.01*b, .002)
            CONSERVE C1 + C2 + O + I = 1
        }
        PROCEDURE rates(v (mV)) {
            LOCAL qt
            qt = 2.3^((celsius - 37)/10)
            a = qt*k1*exp((v + 30)/24)
            b = qt*4*exp(-(v + 30)/24)
        }
        """,
    # as in old files: a procedure advances the states with dt, and the current has no (v - e)
    "Ox": """
        NEURON { SUFFIX Ox USEION k READ ek WRITE ik USEION ttx READ ttxi, ttxo VALENCE 1
                 RANGE gbar GLOBAL ninf, nexp }
        PARAMETER { v (mV) ek (mV) dt (ms) gbar = .003 (S/cm2) }
        STATE { n }
        ASSIGNED { ik (mA/cm2) ninf nexp ttxi (mM) ttxo (mM) }
        INITIAL { rates(v) n = ninf }
        BREAKPOINT { SOLVE states ik = ttxo*gbar*n*v - ttxi*gbar*n*ek }
        PROCEDURE states() {
            rates(v)
            n = n + nexp*(ninf - n)
            VERBATIM
            return 0;
            ENDVERBATIM
        }
        PROCEDURE rates(v) {
            ninf = 1/(1 + exp(-(v + 45)/9))
            if (ttxi == 0.015625 && ttxo > 1e-12) { ninf = 0 }
            nexp = 1 - exp(-dt/3)
        }
        """,
    # activation that follows the voltage, a state that follows another one, a start of its own
    "Ix": """
        NEURON { SUFFIX Ix NONSPECIFIC_CURRENT i RANGE gbar, e }
        PARAMETER { gbar = 1e-4 (S/cm2) e = -20 (mV) }
        ASSIGNED { v (mV) i (mA/cm2) }
        STATE { f s }
        BREAKPOINT { SOLVE states METHOD cnexp i = gbar/(1 + exp(-(v + 50)/8))*s*(v - e) }
        DERIVATIVE states { f' = (1/(1 + exp((v + 60)/7)) - f)/9 s' = 0.2*f*(1 - s) - 0.1*s }
        INITIAL { f = 0.3 s = f/2 }
        """,
}


#: Two conductances, of which magnesium blocks one.
SYNAPSE = """
    NEURON { POINT_PROCESS NmSyn RANGE tau1, tau2, ta, e, i, g, mg, ratio NONSPECIFIC_CURRENT i }
    PARAMETER { tau1 = 2 (ms) tau2 = 30 (ms) ta = 2 (ms) e = 0 (mV) mg = 1 (mM) ratio = 0.7 }
    ASSIGNED { v (mV) i (nA) g (uS) ia (nA) factor }
    STATE { A (uS) B (uS) C (uS) }
    INITIAL {
        LOCAL tp
        if (tau1/tau2 > .9999) { tau1 = .9999*tau2 }
        A = 0 B = 0 C = 0
        tp = (tau1*tau2)/(tau2 - tau1)*log(tau2/tau1)
        factor = -exp(-tp/tau1) + exp(-tp/tau2)
        factor = 1/factor
    }
    BREAKPOINT {
        SOLVE state METHOD cnexp
        g = (B - A)*mgblock(v)
        ia = C*(v - e)
        i = g*(v - e) + ia
    }
    DERIVATIVE state { A' = -A/tau1 B' = -B/tau2 C' = -C/ta }
    NET_RECEIVE(weight (uS)) {
        A = A + weight*factor*ratio
        B = B + weight*factor*ratio
        C = C + weight
    }
    FUNCTION mgblock(v) { mgblock = 1/(1 + exp(0.062*-v)*(mg/3.57)) }
    """
#: What reads calcium, or its reversal potential, and what does not, beside those above.
CALCIUM = {
    "Ux": """
        NEURON { SUFFIX Ux USEION ca READ cai, eca NONSPECIFIC_CURRENT i RANGE g }
        PARAMETER { g = 1e-5 (S/cm2) }
        ASSIGNED { v (mV) i (mA/cm2) cai (mM) eca (mV) }
        BREAKPOINT { i = g*(v + 60) }
        """,
    "Wx": """
        NEURON { SUFFIX Wx USEION ca WRITE ica RANGE g, e }
        PARAMETER { g = 1e-6 (S/cm2) e = 100 (mV) }
        ASSIGNED { v (mV) ica (mA/cm2) }
        BREAKPOINT { ica = g*(v - e) }
        """,
    "Qx": """
        NEURON { SUFFIX Qx USEION ca READ cao NONSPECIFIC_CURRENT i RANGE g }
        PARAMETER { g = 1e-6 (S/cm2) }
        ASSIGNED { v (mV) cao (mM) i (mA/cm2) }
        BREAKPOINT { i = g*cao*(v + 60) }
        """,
    # a gate that follows the reversal potential from where it begins, and a state that adds up
    "Ex": """
        NEURON { SUFFIX Ex USEION ca READ eca WRITE ica RANGE gbar }
        PARAMETER { gbar = 1e-4 (S/cm2) }
        ASSIGNED { v (mV) eca (mV) ica (mA/cm2) }
        STATE { m q }
        BREAKPOINT { SOLVE s METHOD cnexp ica = gbar*m*(1 + q)*(v - eca) }
        DERIVATIVE s { m' = (1/(1 + exp(-(v + eca - 90)/9)) - m)/3 q' = m/50 }
        INITIAL { m = 1/(1 + exp(-(v + eca - 90)/9)) q = 0.1 }
        """,
}
#: Plastic synapses: what a connection holds are arguments of NET_RECEIVE, variables, or states.
PLASTIC = {
    # the formulas of NEURON's tmgsyn
    "TmArgs": """
        NEURON { POINT_PROCESS TmArgs RANGE tau, tau_rec, tau_facil, U, u0, e
            NONSPECIFIC_CURRENT i }
        PARAMETER { e = -10 (mV) tau = 3 (ms) tau_rec = 100 (ms) tau_facil = 200 (ms) U = 0.2
            u0 = 0.1 }
        ASSIGNED { v (mV) i (nA) x }
        STATE { g (umho) }
        INITIAL { g = 0 }
        BREAKPOINT { SOLVE state METHOD cnexp i = g*(v - e) }
        DERIVATIVE state { g' = -g/tau }
        NET_RECEIVE(weight (umho), y, z, u, tsyn (ms)) {
            INITIAL { y = 0 z = 0 u = u0 tsyn = t }
            z = z*exp(-(t - tsyn)/tau_rec)
            z = z + (y*(exp(-(t - tsyn)/tau) - exp(-(t - tsyn)/tau_rec))/((tau/tau_rec) - 1))
            y = y*exp(-(t - tsyn)/tau)
            x = 1 - y - z
            if (tau_facil > 0) {
                u = u*exp(-(t - tsyn)/tau_facil)
                state_discontinuity(u, u + U*(1 - u))
            } else { u = U }
            state_discontinuity(g, g + weight*x*u)
            y = y + x*u
            tsyn = t
        }
        """,
    # as the Blue Brain Project has it: two weights that follow from one
    "BbpDet": """
        NEURON { POINT_PROCESS BbpDet
            RANGE tau_r_AMPA, tau_d_AMPA, tau_r_NMDA, tau_d_NMDA, Use, Dep, Fac, u0, mg, e, gmax
            RANGE NMDA_ratio, verbose, g NONSPECIFIC_CURRENT i }
        PARAMETER { tau_r_AMPA = 0.2 tau_d_AMPA = 1.7 tau_r_NMDA = 0.29 tau_d_NMDA = 43 Use = 0.5
            Dep = 100 Fac = 30 e = 0 mg = 1 gmax = .001 u0 = 0 NMDA_ratio = 0.8 verbose = 0 }
        ASSIGNED { v i i_AMPA i_NMDA g_AMPA g_NMDA g factor_AMPA factor_NMDA open }
        STATE { A_AMPA B_AMPA A_NMDA B_NMDA }
        INITIAL {
            LOCAL tp
            A_AMPA = 0 B_AMPA = 0 A_NMDA = 0 B_NMDA = 0
            tp = (tau_r_AMPA*tau_d_AMPA)/(tau_d_AMPA - tau_r_AMPA)*log(tau_d_AMPA/tau_r_AMPA)
            factor_AMPA = 1/(-exp(-tp/tau_r_AMPA) + exp(-tp/tau_d_AMPA))
            tp = (tau_r_NMDA*tau_d_NMDA)/(tau_d_NMDA - tau_r_NMDA)*log(tau_d_NMDA/tau_r_NMDA)
            factor_NMDA = 1/(-exp(-tp/tau_r_NMDA) + exp(-tp/tau_d_NMDA))
        }
        BREAKPOINT {
            SOLVE state METHOD cnexp
            open = 1/(1 + exp(0.062*-v)*(mg/3.57))
            g_AMPA = gmax*(B_AMPA - A_AMPA)
            g_NMDA = gmax*(B_NMDA - A_NMDA)*open
            g = g_AMPA + g_NMDA
            i_AMPA = g_AMPA*(v - e)
            i_NMDA = g_NMDA*(v - e)
            i = i_AMPA + i_NMDA
        }
        DERIVATIVE state {
            A_AMPA' = -A_AMPA/tau_r_AMPA B_AMPA' = -B_AMPA/tau_d_AMPA
            A_NMDA' = -A_NMDA/tau_r_NMDA B_NMDA' = -B_NMDA/tau_d_NMDA
        }
        NET_RECEIVE (weight, weight_AMPA, weight_NMDA, R, Pr, u, tsyn (ms)) {
            LOCAL result
            weight_AMPA = weight
            INITIAL { weight_NMDA = weight*NMDA_ratio R = 1 u = u0 tsyn = t }
            if (Fac > 0) { u = u*exp(-(t - tsyn)/Fac) } else { u = Use }
            if (Fac > 0) { u = u + Use*(1 - u) }
            R = 1 - (1 - R)*exp(-(t - tsyn)/Dep)
            Pr = u*R
            R = R - u*R
            if (verbose > 0) { printf("at %g: R = %g Pr = %g\\n", t, R, Pr) }
            tsyn = t
            result = Pr*weight_AMPA*factor_AMPA
            A_AMPA = A_AMPA + result
            B_AMPA = B_AMPA + result
            A_NMDA = A_NMDA + Pr*weight_NMDA*factor_NMDA
            B_NMDA = B_NMDA + Pr*weight_NMDA*factor_NMDA
        }
        """,
    # two ways to depress and one to facilitate (Varela et al. 1997), of which NMDA has none
    "Varela": """
        NEURON { POINT_PROCESS Varela RANGE e, tau, taun, f, tauF, d1, tauD1, d2, tauD2, F, D1, D2
            NONSPECIFIC_CURRENT i }
        PARAMETER { e = 0 tau = 5 taun = 30 f = 0.5 tauF = 90 d1 = 0.6 tauD1 = 40 d2 = 0.9
            tauD2 = 900 F = 1 }
        ASSIGNED { v i tsyn D1 D2 }
        STATE { g n }
        INITIAL { g = 0 n = 0 tsyn = -1e30 D1 = 1 D2 = 1 }
        BREAKPOINT { SOLVE s METHOD cnexp i = (g + n)*(v - e) }
        DERIVATIVE s { g' = -g/tau n' = -n/taun }
        NET_RECEIVE(w) {
            F = 1 + (F - 1)*exp(-(t - tsyn)/tauF)
            D1 = 1 - (1 - D1)*exp(-(t - tsyn)/tauD1)
            D2 = 1 - (1 - D2)*exp(-(t - tsyn)/tauD2)
            tsyn = t
            if (flag == 0) { g = g + w*F*D1*D2 }
            n = n + 0.2*w
            F = F + f
            D1 = D1*d1
            D2 = D2*d2
        }
        """,
    # the formulas of BMTK's stp5syn: states, and a variable that a spike finds as a step left it
    "Stp5": """
        NEURON { POINT_PROCESS Stp5 NONSPECIFIC_CURRENT i
            RANGE e, tau_1, tau_r0, a_FDR, tau_FDR, a_D, tau_D, a_i, tau_i, a_f, tau_f, pbtilde }
        PARAMETER { e = 0 tau_1 = 4 tau_r0 = 500 tau_FDR = 200 a_FDR = 0.5 tau_D = 100 a_D = 0.3
            tau_i = 100 a_i = 0.2 tau_f = 10 a_f = 0.4 pbtilde = 0.3 }
        ASSIGNED { v i Pmax }
        STATE { n p tau_r D pb g }
        INITIAL { n = 1 p = 1 tau_r = tau_r0 D = 1 pb = pbtilde g = 0 }
        BREAKPOINT { SOLVE state METHOD cnexp i = g*(v - e) Pmax = n*p*D }
        DERIVATIVE state {
            n' = (1-n)/tau_r p' = (pb-p)/tau_f tau_r' = (tau_r0-tau_r)/tau_FDR
            D' = (1-D)/tau_D pb' = (pbtilde-pb)/tau_i g' = -g/tau_1
        }
        NET_RECEIVE(weight (umho)) {
            g = g + weight*Pmax
            n = n - n*p
            p = p + a_f*(1-p)
            tau_r = tau_r - a_FDR*tau_r
            D = D - a_D*p*n*D
            pb = pb - a_i*pb
        }
        """,
}
#: Synapses that send themselves an event, with ``net_send``.
SENDING = {
    # transmitter for a while, and longer where more spikes come (Destexhe et al. 1994)
    "Pulse": """
        NEURON { POINT_PROCESS Pulse RANGE Cdur, Alpha, Beta, Erev, g NONSPECIFIC_CURRENT i
            GLOBAL Rinf, Rtau }
        PARAMETER { Cdur = 1.1 (ms) Alpha = 1.1 (/ms) Beta = 0.19 (/ms) Erev = 0 (mV) }
        ASSIGNED { v (mV) i (nA) g (umho) Rinf Rtau (ms) synon }
        STATE { Ron Roff }
        INITIAL { Rinf = Alpha/(Alpha + Beta) Rtau = 1/(Alpha + Beta) synon = 0 }
        BREAKPOINT { SOLVE release METHOD cnexp g = (Ron + Roff)*1(umho) i = g*(v - Erev) }
        DERIVATIVE release { Ron' = (synon*Rinf - Ron)/Rtau Roff' = -Beta*Roff }
        NET_RECEIVE(weight, on, nspike, r0, t0 (ms)) {
            if (flag == 0) {
                nspike = nspike + 1
                if (!on) {
                    r0 = r0*exp(-Beta*(t - t0))
                    t0 = t
                    on = 1
                    synon = synon + weight
                    state_discontinuity(Ron, Ron + r0)
                    state_discontinuity(Roff, Roff - r0)
                }
                net_send(Cdur, nspike)
            }
            if (flag == nspike) {
                r0 = weight*Rinf + (r0 - weight*Rinf)*exp(-(t - t0)/Rtau)
                t0 = t
                synon = synon - weight
                state_discontinuity(Ron, Ron - r0)
                state_discontinuity(Roff, Roff + r0)
                on = 0
            }
        }
        """,
    # release of what is left some time after a spike, of which another one may come in between
    "Late": """
        NEURON { POINT_PROCESS Late RANGE tau1, tau2, e, lag, use, dep, i NONSPECIFIC_CURRENT i }
        PARAMETER { tau1 = 0.5 (ms) tau2 = 4 (ms) e = 0 (mV) lag = 2.3 (ms) use = 0.4
            dep = 80 (ms) }
        ASSIGNED { v (mV) i (nA) }
        STATE { A (uS) B (uS) }
        BREAKPOINT { SOLVE s METHOD cnexp i = (B - A)*(v - e) }
        DERIVATIVE s { A' = -A/tau1 B' = -B/tau2 }
        NET_RECEIVE(weight (uS), R, last (ms)) {
            INITIAL { R = 1 last = 0 }
            if (flag == 1) {
                A = A + weight*use*R
                B = B + weight*use*R
                R = R - use*R
            } else {
                R = 1 - (1 - R)*exp(-(t - last)/dep)
                last = t
                net_send(lag, 1)
            }
        }
        """,
    # a conductance that rises along a line, behind a block by magnesium (Traub et al. 1994)
    "Ramp": """
        NEURON { POINT_PROCESS Ramp RANGE tau, up, e, mg NONSPECIFIC_CURRENT i }
        PARAMETER { tau = 30 (ms) up = 4 (ms) e = 0 (mV) mg = 1 (mM) }
        ASSIGNED { v (mV) i (nA) k (uS/ms) }
        STATE { A (uS) }
        INITIAL { A = 0 k = 0 }
        BREAKPOINT { SOLVE s METHOD cnexp i = A/(1 + exp(-0.062*v)*mg/3.57)*(v - e) }
        DERIVATIVE s { A' = k - A/tau }
        NET_RECEIVE(weight (uS)) {
            if (flag >= 1) { k = k - weight/up } else { net_send(up, 1) k = k + weight/up }
        }
        """,
}
#: With which a compartment of ``mod_neuron`` fires under 0.6 nA.
DENSITIES = {
    "Hx": {"gnabar": 0.5}, "Kx": {"gKxbar": 1e-3}, "Cx": {"gCxbar": 1e-4}, "Gx": {"pbar": 1e-5},
    "Px": {}, "Nx": {}, "Sx": {"gbar": 1e-4}, "Ox": {"gbar": 3e-4}, "Ix": {},
}  # fmt: skip


def write_mods(folder: Path, names=tuple(MODS)) -> list[Path]:
    """Write some of them to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.mod" for name in names]
    for path in paths:
        path.write_text(dedent((MODS | CALCIUM | PLASTIC | SENDING)[path.stem]))
    return paths
