"""EPCIS XML of our own making that uses every element of the grammar, and what some of it must come to."""

from __future__ import annotations

FULL = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE shipment>
<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" xmlns:wine="https://wine.example/terms/"
    xmlns:cbvmda="urn:epcglobal:cbv:mda" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xmlns:custody="https://custody-ledger.org/ns/" schemaVersion="2.0" creationDate="2026-03-01T08:00:00Z">
  <EPCISHeader>
    <sbdh:StandardBusinessDocumentHeader
        xmlns:sbdh="http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader">
      <sbdh:HeaderVersion>1.0</sbdh:HeaderVersion>
      <sbdh:Sender><sbdh:Identifier Authority="GS1">urn:epc:id:pgln:9521234.00000</sbdh:Identifier></sbdh:Sender>
      <sbdh:Receiver><sbdh:Identifier>urn:epc:id:pgln:9525678.00000</sbdh:Identifier></sbdh:Receiver>
      <sbdh:DocumentIdentification>
        <sbdh:Standard>EPCglobal</sbdh:Standard><sbdh:TypeVersion>1.0</sbdh:TypeVersion>
        <sbdh:InstanceIdentifier>cellar-77</sbdh:InstanceIdentifier><sbdh:Type>Events</sbdh:Type>
        <sbdh:CreationDateAndTime>2026-03-01T08:00:00Z</sbdh:CreationDateAndTime>
      </sbdh:DocumentIdentification>
    </sbdh:StandardBusinessDocumentHeader>
    <extension>
      <EPCISMasterData>
        <VocabularyList>
          <Vocabulary type="urn:epcglobal:epcis:vtype:BusinessLocation">
            <VocabularyElementList>
              <VocabularyElement id="urn:epc:id:sgln:9521234.00001.0">
                <attribute id="urn:epcglobal:cbv:mda#name">Cellar of Jerez</attribute>
                <attribute id="urn:epcglobal:cbv:mda#address"><wine:street>Calle 1</wine:street></attribute>
                <children><id>urn:epc:id:sgln:9521234.00001.1</id></children>
              </VocabularyElement>
            </VocabularyElementList>
          </Vocabulary>
        </VocabularyList>
      </EPCISMasterData>
    </extension>
  </EPCISHeader>
  <EPCISBody>
    <EventList>
      <ObjectEvent>
        <eventTime>2026-03-01T09:00:00.250+01:00</eventTime>
        <recordTime>2026-03-01T08:00:01Z</recordTime>
        <eventTimeZoneOffset>+01:00</eventTimeZoneOffset>
        <eventID>urn:uuid:5f0c1f1e-8a51-4f5e-9a0e-0f6a2f2f0001</eventID>
        <errorDeclaration>
          <declarationTime>2026-03-02T09:00:00Z</declarationTime>
          <reason>urn:epcglobal:cbv:er:incorrect_data</reason>
          <correctiveEventIDs>
            <correctiveEventID>urn:uuid:5f0c1f1e-8a51-4f5e-9a0e-0f6a2f2f0002</correctiveEventID>
          </correctiveEventIDs>
          <wine:by>the cellarer</wine:by>
        </errorDeclaration>
        <certificationInfo>https://certificates.example/wine/7</certificationInfo>
        <epcList><epc>urn:epc:id:sgtin:9521234.012345.1</epc><epc>urn:epc:id:sgtin:9521234.012345.2</epc></epcList>
        <action>ADD</action>
        <bizStep>urn:epcglobal:cbv:bizstep:commissioning</bizStep>
        <disposition>https://ref.gs1.org/cbv/Disp-active</disposition>
        <readPoint><id>urn:epc:id:sgln:9521234.00001.7</id><wine:row>3</wine:row></readPoint>
        <bizLocation><id>urn:epc:id:sgln:9521234.00001.0</id></bizLocation>
        <bizTransactionList>
          <bizTransaction type="urn:epcglobal:cbv:btt:po">urn:epcglobal:cbv:bt:9521234000006:4711</bizTransaction>
          <bizTransaction>https://orders.example/4711</bizTransaction>
        </bizTransactionList>
        <quantityList>
          <quantityElement>
            <epcClass>urn:epc:class:lgtin:9521234.012345.L7</epcClass><quantity>+012.50</quantity><uom>LTR</uom>
          </quantityElement>
          <quantityElement>
            <epcClass>urn:epc:class:lgtin:9521234.012345.L8</epcClass><quantity xsi:nil="true"/>
          </quantityElement>
        </quantityList>
        <sourceList><source type="urn:epcglobal:cbv:sdt:owning_party">urn:epc:id:pgln:9521234.00000</source></sourceList>
        <destinationList>
          <destination type="https://wine.example/terms/merchant">urn:epc:id:pgln:9525678.00000</destination>
        </destinationList>
        <sensorElementList>
          <sensorElement>
            <sensorMetadata time="2026-03-01T08:00:00Z" deviceID="urn:epc:id:giai:9521234.77" wine:depth="2"/>
            <sensorReport type="gs1:Temperature" value="-1.5e1" uom="CEL" component="cbv:Comp-x" booleanValue="1"
                stringValue=" cold " exception="gs1:ALARM_CONDITION" wine:cask="7"/>
            <sensorReport type="https://wine.example/terms/Tannin" minValue=".5" maxValue="3."/>
            <wine:seal>A-17</wine:seal>
          </sensorElement>
        </sensorElementList>
        <persistentDisposition>
          <unset>urn:epcglobal:cbv:disp:completeness_inferred</unset>
          <set>urn:epcglobal:cbv:disp:completeness_verified</set>
        </persistentDisposition>
        <ilmd>
          <cbvmda:lotNumber>L7</cbvmda:lotNumber>
          <wine:grape>palomino</wine:grape>
          <wine:grape>moscatel</wine:grape>
          <wine:alcohol measurementUnitCode="P1">15.0</wine:alcohol>
        </ilmd>
        <wine:label xml:lang="es">Fino</wine:label>
        <wine:tasting><note> dry </note><wine:score>91</wine:score></wine:tasting>
        <other:mark xmlns:other="https://other.example/">a</other:mark>
        <type:mark xmlns:type="https://kinds.example/">b</type:mark>
        <mark xmlns="https://default.example/"/>
        <wine:mark xmlns:wine="https://second.example/">c</wine:mark>
        <custody:count>2</custody:count>
      </ObjectEvent>
      <AggregationEvent>
        <eventTime>2026-03-01T09:10:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
        <parentID>urn:epc:id:sscc:9521234.0000000001</parentID>
        <childEPCs><epc>urn:epc:id:sgtin:9521234.012345.1</epc></childEPCs>
        <action>ADD</action>
        <childQuantityList><quantityElement><epcClass>urn:epc:class:lgtin:9521234.012345.L7</epcClass></quantityElement></childQuantityList>
      </AggregationEvent>
      <TransactionEvent>
        <eventTime>2026-03-01T09:20:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
        <bizTransactionList><bizTransaction type="urn:epcglobal:cbv:btt:po">https://orders.example/4711</bizTransaction></bizTransactionList>
        <parentID>urn:epc:id:sscc:9521234.0000000001</parentID>
        <epcList/>
        <action>OBSERVE</action>
      </TransactionEvent>
      <TransformationEvent>
        <eventTime>2026-03-01T09:30:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
        <inputEPCList><epc>urn:epc:id:sgtin:9521234.012345.1</epc></inputEPCList>
        <inputQuantityList/>
        <outputEPCList><epc>urn:epc:id:sgtin:9521234.054321.1</epc></outputEPCList>
        <outputQuantityList/>
        <transformationID>urn:epc:id:gdti:9521234.00001.9</transformationID>
      </TransformationEvent>
      <AssociationEvent>
        <eventTime>2026-03-01T09:40:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
        <parentID>urn:epc:id:grai:9521234.00001.5</parentID>
        <childEPCs><epc>urn:epc:id:giai:9521234.77</epc></childEPCs>
        <childQuantityList/>
        <action>ADD</action>
      </AssociationEvent>
    </EventList>
  </EPCISBody>
</epcis:EPCISDocument>
"""

FORMER = b"""<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:1" xmlns:wine="https://wine.example/terms/"
    schemaVersion="1.2" creationDate="2016-03-01T08:00:00Z">
  <EPCISBody><EventList>
    <ObjectEvent>
      <eventTime>2016-03-01T09:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
      <baseExtension><eventID>urn:uuid:5f0c1f1e-8a51-4f5e-9a0e-0f6a2f2f0003</eventID></baseExtension>
      <epcList/>
      <action>ADD</action>
      <extension>
        <quantityList>
          <quantityElement><epcClass>urn:epc:class:lgtin:9521234.012345.L7</epcClass><quantity>5</quantity></quantityElement>
        </quantityList>
        <ilmd><wine:grape>palomino</wine:grape></ilmd>
        <extension><sensorElementList><sensorElement><sensorReport type="gs1:Temperature" value="7"/></sensorElement></sensorElementList></extension>
      </extension>
      <wine:label>Fino</wine:label>
    </ObjectEvent>
    <QuantityEvent>
      <eventTime>2016-03-01T09:10:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
      <epcClass>urn:epc:idpat:sgtin:9521234.012345.*</epcClass>
      <quantity>100</quantity>
      <bizStep>urn:epcglobal:cbv:bizstep:stocking</bizStep>
    </QuantityEvent>
    <extension>
      <TransformationEvent>
        <eventTime>2016-03-01T09:20:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
        <inputEPCList><epc>urn:epc:id:sgtin:9521234.012345.1</epc></inputEPCList>
        <outputEPCList><epc>urn:epc:id:sgtin:9521234.054321.1</epc></outputEPCList>
      </TransformationEvent>
      <extension>
        <AssociationEvent>
          <eventTime>2016-03-01T09:30:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
          <parentID>urn:epc:id:grai:9521234.00001.5</parentID>
          <action>ADD</action>
          <childEPCs><epc>urn:epc:id:giai:9521234.77</epc></childEPCs>
        </AssociationEvent>
      </extension>
    </extension>
  </EventList></EPCISBody>
</epcis:EPCISDocument>
"""

EVENT = b"""<AggregationEvent schemaVersion="2.0">
  <eventTime>2026-03-01T09:10:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
  <parentID>urn:epc:id:sscc:9521234.0000000001</parentID>
  <childEPCs><epc>urn:epc:id:sgtin:9521234.012345.1</epc></childEPCs>
  <action>ADD</action>
  <label xmlns="https://wine.example/terms/">Fino</label>
</AggregationEvent>
"""

RESULTS = b"""<epcisq:EPCISQueryDocument xmlns:epcisq="urn:epcglobal:epcis-query:xsd:2" schemaVersion="2.0"
    creationDate="2026-03-01T10:00:00Z">
  <EPCISBody>
    <epcisq:QueryResults>
      <queryName>SimpleEventQuery</queryName>
      <subscriptionID>cellar</subscriptionID>
      <resultsBody><EventList>
        <ObjectEvent>
          <eventTime>2026-03-01T09:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
          <epcList><epc>urn:epc:id:sgtin:9521234.012345.1</epc></epcList>
          <action>OBSERVE</action>
        </ObjectEvent>
      </EventList></resultsBody>
    </epcisq:QueryResults>
  </EPCISBody>
</epcisq:EPCISQueryDocument>
"""

POLL = b"""<epcisq:EPCISQueryDocument xmlns:epcisq="urn:epcglobal:epcis-query:xsd:2"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" schemaVersion="2.0" creationDate="2026-03-01T10:00:00Z">
  <EPCISBody>
    <epcisq:Poll>
      <queryName>SimpleEventQuery</queryName>
      <params>
        <param><name>EQ_action</name>
          <value xsi:type="epcisq:ArrayOfString"><string>ADD</string><string>OBSERVE</string></value></param>
        <param><name>GE_eventTime</name><value>2026-03-01T00:00:00Z</value></param>
        <param><name>EXISTS_errorDeclaration</name><value xsi:type="epcisq:VoidHolder"/></param>
      </params>
    </epcisq:Poll>
  </EPCISBody>
</epcisq:EPCISQueryDocument>
"""

DOCUMENTS = (FULL, FORMER, EVENT, RESULTS)
